"""The store finds what lies in its folder, in an order that can be relied on, and steps over damage."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import timm
from safetensors.numpy import save_file

import alphanet_plugin.models  # noqa: F401 - tells timm of them
from alphanet_plugin import store
from alphanet_plugin.errors import CheckpointError, StoreError


def put(name, config=None, seconds=0):
    folder = store.home() / "models" / name
    folder.mkdir(parents=True)
    save_file({"weight": np.zeros(100, np.float32)}, folder / store.WEIGHTS_FILE)
    (folder / store.CONFIG_FILE).write_text(json.dumps({"architecture": "x"} if config is None else config))
    os.utime(folder / store.WEIGHTS_FILE, (1_700_000_000 + seconds,) * 2)
    return folder


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.EROFS, "allow writing"), (errno.EACCES, "allow writing"), (errno.ENOSPC, "make room")],
)
def test_what_to_do_depends_on_why_the_store_cannot_be_written(monkeypatch, number, advice):
    def refused(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store, "owned", refused)
    with pytest.raises(StoreError, match=f"; {advice} there, or set ALPHANET_HOME"), store.owned_tag("x"):
        pass


@pytest.mark.parametrize("name", ["alphanet_a4.digits", "alphanet_a4"])
@pytest.mark.parametrize("text", ["", "[]", '{"model_args": 3}', '{"num_classes": "x"}', '{"architecture": []}'])
def test_weights_that_cannot_be_read_are_not_weights_that_are_not_there(name, text):
    (put("alphanet_a4.digits") / "config.json").write_text(text)
    with (
        pytest.warns(UserWarning, match="left out of the store"),
        pytest.raises(CheckpointError, match=r"alphanet_a4\.digits is damaged \(.*\); publish it again or delete it"),
    ):
        timm.create_model(name, pretrained=True)


def names():
    return [entry.name for entry in store.list_published()]


def test_home(alphanet_home, monkeypatch, tmp_path):
    assert store.home() == alphanet_home
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALPHANET_HOME", "~/mine")
    assert store.home() == tmp_path / "mine"
    monkeypatch.setenv("ALPHANET_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert store.home().name == "alphanet"
    assert tmp_path in store.home().parents


def test_what_an_entry_says():
    folder = put("alphanet_a4.digits", {"num_classes": 10})
    (entry,) = store.list_published()
    assert (entry.architecture, entry.tag, entry.name) == ("alphanet_a4", "digits", "alphanet_a4.digits")
    assert entry.folder == store.model_folder("alphanet_a4", "digits") == folder
    assert entry.weights == folder / "model.safetensors"
    assert entry.config == {"num_classes": 10}


def test_imagenet_first_then_the_newest_then_by_name():
    put("a.old", seconds=1)
    put("a.fb_in1k", seconds=2)
    put("b.same", seconds=3)
    put("a.same", seconds=3)
    put("a.new", seconds=4)
    assert names() == ["a.fb_in1k", "a.new", "a.same", "b.same", "a.old"]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("in1k", True),
        ("fb_in1k", True),
        ("in22k_ft_in1k", True),
        ("ours_in1k-v2", True),
        ("in22k", True),
        ("digits", False),
        ("in1k_digits", False),
        ("main1k", False),
    ],
)
def test_tags_of_imagenet(tag, expected):
    assert store.is_imagenet(tag) == expected


SYNSETS = [f"n{number:08}" for number in range(1000)]


@pytest.mark.parametrize(
    ("tag", "config", "expected"),
    [
        ("alpha_in1k", {"num_classes": 3, "label_names": ["daisy", "rose", "tulip"]}, False),
        ("alpha_in1k", {"num_classes": 1000, "training": {"dataset": "torch/products"}}, False),
        ("alpha_in1k", {"num_classes": 1000, "training": {"dataset": "folder"}}, True),
        ("mine", {"num_classes": 1000, "label_names": SYNSETS, "training": {"dataset": "folder"}}, True),
        ("mine", {"num_classes": 1000, "training": {"dataset": "hfds/timm/imagenet-1k-wds"}}, True),
        ("mine", {"num_classes": 10, "training": {"dataset": "hfds/frgfm/imagenette"}}, False),
        ("mine", {"num_classes": 1000}, False),
    ],
)
def test_what_weights_were_trained_on_decides(tag, config, expected):
    assert store.is_imagenet(tag, config) == expected


@pytest.mark.parametrize("home", ["nothing", "file", "empty"])
def test_an_empty_store(home, tmp_path, monkeypatch):
    path = tmp_path / home
    if home == "file":
        path.write_text("")
    elif home == "empty":
        (path / "models").mkdir(parents=True)
    monkeypatch.setenv("ALPHANET_HOME", str(path))
    assert store.list_published() == []


def damage_no_config(folder):
    (folder / store.CONFIG_FILE).unlink()


def damage_broken_config(folder):
    (folder / store.CONFIG_FILE).write_text('{"architecture": ')


def damage_config_in_no_text(folder):
    (folder / store.CONFIG_FILE).write_bytes(b"\xff\xfe\x00")


def damage_config_is_a_list(folder):
    (folder / store.CONFIG_FILE).write_text("[]")


def damage_cfg_is_a_word(folder):
    (folder / store.CONFIG_FILE).write_text('{"pretrained_cfg": "x"}')


def damage_args_are_a_list(folder):
    (folder / store.CONFIG_FILE).write_text('{"model_args": []}')


def damage_size_is_a_number(folder):
    (folder / store.CONFIG_FILE).write_text('{"pretrained_cfg": {"input_size": 224}}')


def damage_no_weights(folder):
    (folder / store.WEIGHTS_FILE).unlink()


def damage_weights_are_a_folder(folder):
    (folder / store.WEIGHTS_FILE).unlink()
    (folder / store.WEIGHTS_FILE).mkdir()


def damage_empty_weights(folder):
    (folder / store.WEIGHTS_FILE).write_bytes(b"")


def damage_weights_cut_short(folder):
    weights = folder / store.WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1])


def damage_weights_are_a_web_page(folder):
    (folder / store.WEIGHTS_FILE).write_text("<!doctype html><title>404</title>" * 100)


DAMAGE = {name.removeprefix("damage_"): damage for name, damage in globals().items() if name.startswith("damage_")}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_entries_are_named_and_left_out(damage):
    put("a.good")
    folder = put("a.bad")
    damage(folder)
    with pytest.warns(UserWarning, match="publish it again or delete it") as caught:
        assert names() == ["a.good"]
    (warning,) = caught
    assert str(folder) in str(warning.message)


def test_other_things_in_the_folder_are_passed_over_in_silence():
    put("a.good")
    root = store.home() / "models"
    (root / "notes.txt").write_text("a file")
    (root / "no_tag").mkdir()
    # what `atomic_folder` leaves if it is killed between its renames
    (root / ".a.good.123.tmp").mkdir()
    (root / ".a.good.123.old").mkdir()
    assert names() == ["a.good"]


def test_a_store_that_cannot_be_read_is_said_to_be_so(monkeypatch):
    put("a.good")

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.warns(UserWarning, match="the store .* cannot be read: .*Permission denied"):
        assert store.list_published() == []
