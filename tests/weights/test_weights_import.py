"""`alphanet import`: the stand-in for the released checkpoint ends in golden logits through timm."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import stand_in_weights
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from alphanet_plugin import store
from alphanet_plugin.cli.main import main
from alphanet_plugin.data import open_calibration
from alphanet_plugin.errors import CheckpointError, NoWeightsError, StoreError
from alphanet_plugin.models import refresh_entries
from alphanet_plugin.weights import (
    ReleasedSupernet,
    card,
    load_supernet,
    publish_released,
    read_released,
    read_supernet_checkpoint,
    store_released,
)
from alphanet_plugin.weights.supernet_files import supernet_source

GOLDEN = Path(__file__).parents[1] / "data" / "golden_logits.safetensors"


def images(seed, batch):
    return torch.from_numpy(stand_in_weights.images(seed, batch, 224))


@pytest.fixture
def batches(tmp_path):
    """The batches that the golden statistics were estimated on."""
    save_file({str(seed): images(seed, 4) for seed in (100, 101)}, tmp_path / "batches.safetensors")
    return str(tmp_path / "batches.safetensors")


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images") / "train" / "any"
    root.mkdir(parents=True)
    for number in range(5):
        Image.effect_noise((40, 30), 50 + number).convert("RGB").save(root / f"{number}.png")
    return str(root.parents[1])


def test_golden_logits_through_the_command_and_timm(stand_in_checkpoint, batches, capsys):
    assert main(["import", str(stand_in_checkpoint), "--space", "attentive_nas", "--calibrate", batches]) == 0
    digest = hashlib.sha256(stand_in_checkpoint.read_bytes()).hexdigest()
    assert digest in capsys.readouterr().out
    names = [f"alphanet_{name}.fb_in1k" for name in ["a0", "a1", "a2", "a3", "a4", "a5", "a5_base", "a6", "min", "max"]]
    assert set(timm.list_models("alphanet_*", pretrained=True)) == set(names)
    for name in ("a0", "a2", "a4"):
        # The plain name: ImageNet weights are its first choice. Statistics are of float32, hence the tolerance.
        model = timm.create_model(f"alphanet_{name}", pretrained=True, resize_input=True).double().eval()
        assert model.pretrained_cfg["license"] == "cc-by-nc-4.0"
        assert not timm.create_model(f"alphanet_{name}", pretrained=True).resize_input
        with safe_open(GOLDEN, "pt") as file, torch.no_grad():
            golden = file.get_tensor(f"{name}.logits_calibrated").double()
            torch.testing.assert_close(model(images(1, 2).double()), golden, rtol=0, atol=3e-5)
    with safe_open(store.model_folder("alphanet_a4", "fb_in1k") / store.WEIGHTS_FILE, "pt") as file:
        source = json.loads(file.metadata()["source"])
        assert source["sha256"] == digest
        assert file.metadata()["license"] == "cc-by-nc-4.0"


def test_the_supernet_is_kept_and_loads(stand_in_checkpoint, capsys):
    assert main(["import", str(stand_in_checkpoint)]) == 0
    output = capsys.readouterr().out
    assert "Nothing is offered to timm" in output
    assert "--calibrate" in output
    refresh_entries()
    assert timm.list_models("alphanet_*", pretrained=True) == []
    with pytest.raises(NoWeightsError):
        timm.create_model("alphanet_a4", pretrained=True)
    folder = store.supernet_folder("alphanet", "fb_in1k")
    expected = read_supernet_checkpoint(stand_in_checkpoint)
    for name, tensor in load_supernet(folder).state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    config = json.loads((folder / store.CONFIG_FILE).read_text())
    assert config["license"] == "cc-by-nc-4.0"
    assert config["source"]["file"] == stand_in_checkpoint.name


@pytest.mark.slow
def test_family_and_tag_name_the_models(stand_in_checkpoint, folder_of_images, capsys):
    arguments = ["import", str(stand_in_checkpoint), "--family", "attentive_nas", "--tag", "mine"]
    assert main([*arguments, "--calibrate", folder_of_images, "--batches", "2", "--batch-size", "2"]) == 0
    assert "2 batches of 2 training images" in capsys.readouterr().out
    names = timm.list_models("attentive_nas_*", pretrained=True)
    assert names == [f"attentive_nas_a{number}.mine" for number in range(7)]
    model = timm.create_model("attentive_nas_a5", pretrained=True)
    assert tuple(model.arch.width[4:6]) == (72, 112)
    assert (
        "2 batches of 2 training images" in (store.model_folder("attentive_nas_a5", "mine") / "README.md").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pth.tar"], "nowhere.pth.tar"),
        (["CHECKPOINT", "--calibrate", "nowhere"], "'nowhere' is neither a folder of images nor a .safetensors file"),
        (["CHECKPOINT", "--calibrate", "EMPTY"], "Found 0 images below"),
        (["CHECKPOINT", "--space", "ofa"], "no search space 'ofa'"),
        (["CHECKPOINT", "--tag", "a.b", "--calibrate", "IMAGES", "--batch-size", "2"], "a tag is letters"),
        (["CHECKPOINT", "--calibrate", "IMAGES", "--batch-size", "1"], "1 batch of 2 images or more"),
    ],
)
def test_errors_in_one_line(stand_in_checkpoint, folder_of_images, tmp_path, arguments, message, capsys, alphanet_home):
    (tmp_path / "empty").mkdir()
    places = {"CHECKPOINT": stand_in_checkpoint, "IMAGES": folder_of_images, "EMPTY": tmp_path / "empty"}
    assert main(["import", *(str(places.get(word, word)) for word in arguments)]) == 2
    *before, line = capsys.readouterr().err.strip().splitlines()
    assert all(one.startswith("reading ") for one in before)
    assert line.startswith("alphanet: error:")
    assert message in line
    assert not list(alphanet_home.rglob("*.safetensors"))


def test_a_damaged_image_is_named_and_nothing_is_published(stand_in_checkpoint, tmp_path, capsys):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    arguments = ["import", str(stand_in_checkpoint), "--calibrate", str(tmp_path), "--batch-size", "2"]
    assert main(arguments) == 2
    assert ".png cannot be read" in capsys.readouterr().err
    refresh_entries()
    assert timm.list_models("alphanet_*", pretrained=True) == []


@pytest.fixture
def two_files(stand_in_checkpoint, monkeypatch):
    """The stand-in as if it were two files, with one arch alone, since all of them would take long."""
    released = read_released(stand_in_checkpoint)
    archs = dict([next(iter(released.archs.items()))])
    monkeypatch.setattr(ReleasedSupernet, "archs", property(lambda _: archs))
    monkeypatch.setattr(card, "_LATENCY_SECONDS", 0.0)
    return [replace(released, file=f"{name}.pth.tar", sha256=name[0] * 64) for name in ("a_first", "b_second")]


def test_another_checkpoints_models_are_replaced_only_on_request(two_files, batches):
    first, second = two_files
    calibration = open_calibration(batches)
    for _ in range(2):  # one's own are replaced without a word
        store_released(first)
        list(publish_released(first, calibration))
    whose = r"run alphanet import a_first\.pth\.tar \(aaaaaaaaaaaa\); give another --tag, or --replace"
    with pytest.raises(StoreError, match=rf"the tag fb_in1k is taken: the supernet alphanet\.fb_in1k in .* {whose}"):
        store_released(second)
    with pytest.raises(StoreError, match=rf"the tag fb_in1k is taken: alphanet_a0\.fb_in1k in .* is of {whose}"):
        list(publish_released(second, calibration))
    store_released(second, replace=True)
    list(publish_released(second, calibration, replace=True))
    assert [entry.run["id"] for entry in store.list_published()] == ["b" * 12]
    assert supernet_source(store.supernet_folder("alphanet", "fb_in1k"))["sha256"] == second.sha256


def test_the_command_asks_before_it_writes_anything(two_files, stand_in_checkpoint, batches, capsys):
    list(publish_released(two_files[0], open_calibration(batches)))
    arguments = ["import", str(stand_in_checkpoint), "--calibrate", batches]
    assert main(arguments) == 2
    assert "the tag fb_in1k is taken" in capsys.readouterr().err
    assert not store.supernet_folder("alphanet", "fb_in1k").exists()
    assert main([*arguments, "--replace"]) == 0  # what the message says
    assert store.list_published()[0].run["name"] == f"alphanet import {stand_in_checkpoint.name}"


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
def test_a_damaged_supernet_is_refused(stand_in_checkpoint, damage):
    assert main(["import", str(stand_in_checkpoint)]) == 0
    folder = store.supernet_folder("alphanet", "fb_in1k")
    os.truncate(folder / damage, 100)
    with pytest.raises(CheckpointError, match="holds no supernet"):
        load_supernet(folder)
