"""What timm answers about the weights in the store, and what a user without weights reads."""

import json
import logging
import os

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from alphanet_plugin import get_space, store
from alphanet_plugin.errors import NoWeightsError
from alphanet_plugin.models import alphanet_subnet, refresh_entries

SMALL = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
A0, A1 = SMALL.presets["a0"], SMALL.presets["a1"]
X = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def publish(name, arch=A1, seconds=0, classes=10, **options):
    """A published folder by hand, as timm's `save_for_hf` writes it; `seconds` sets its place in time."""
    torch.manual_seed(seconds)
    model = alphanet_subnet(arch=arch, num_classes=classes, zero_init_last=False, resize_input=True).eval()
    architecture, _, tag = name.partition(".")
    folder = store.model_folder(architecture, tag)
    timm.models.save_for_hf(
        model,
        str(folder),
        model_config={"pretrained_cfg": {"architecture": architecture, "tag": tag, "license": "cc-by-nc-4.0"}},
        model_args={"arch": arch.to_dict()},
        data_config={"input_size": (3, arch.resolution, arch.resolution), "crop_pct": 1.0, "mean": (0.1, 0.2, 0.3)},
        safe_serialization=True,
        **options,
    )
    os.utime(folder / store.WEIGHTS_FILE, (1_700_000_000 + seconds,) * 2)
    return model


def same(one, other):
    with torch.no_grad():
        return torch.equal(one.eval()(X), other.eval()(X))


def test_tags_are_listed_and_load():
    model = publish("alphanet_a1.digits")
    publish("alphanet_subnet.tiny", A0, seconds=1)
    refresh_entries()
    assert timm.list_models("alphanet_*", pretrained=True) == ["alphanet_a1.digits", "alphanet_subnet.tiny"]
    assert timm.is_model_pretrained("alphanet_a1.digits")
    loaded = timm.create_model("alphanet_a1.digits", pretrained=True)
    assert same(loaded, model)
    assert loaded.arch == A1, "the published arch, not the preset's 224 pixels"
    assert (loaded.num_classes, loaded.resize_input) == (10, True), "as config.json says under model_args"
    cfg = loaded.pretrained_cfg
    assert (cfg["tag"], cfg["input_size"], cfg["crop_pct"]) == ("digits", (3, 40, 40), 1.0)
    assert (cfg["mean"], cfg["license"]) == ((0.1, 0.2, 0.3), "cc-by-nc-4.0")
    assert timm.data.resolve_data_config({}, model=loaded)["input_size"] == (3, 40, 40)


def test_tags_published_after_the_import_load_at_once():
    with pytest.raises(NoWeightsError):
        timm.create_model("alphanet_a1.later", pretrained=True)
    model = publish("alphanet_a1.later")
    assert same(timm.create_model("alphanet_a1.later", pretrained=True), model)
    assert timm.list_models("alphanet_*", pretrained=True) == ["alphanet_a1.later"], "loading looks at the whole store"


def test_publishing_again_and_taking_away():
    first = publish("alphanet_a1.digits")
    assert same(timm.create_model("alphanet_a1.digits", pretrained=True), first)
    second = publish("alphanet_a1.digits", seconds=5, classes=3)
    loaded = timm.create_model("alphanet_a1.digits", pretrained=True)
    assert loaded.num_classes == 3
    assert same(loaded, second)
    folder = store.model_folder("alphanet_a1", "digits")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    refresh_entries()
    assert timm.list_models("alphanet_*", pretrained=True) == []
    with pytest.raises(NoWeightsError):
        timm.create_model("alphanet_a1.digits", pretrained=True)


@pytest.fixture
def said(caplog):
    """The log lines that the next `pretrained=True` writes."""
    caplog.set_level(logging.WARNING, logger="alphanet_plugin")
    return caplog


def test_plain_name_takes_imagenet_weights_first(said):
    imagenet = publish("alphanet_a1.fb_in1k", classes=1000)
    newer = publish("alphanet_a1.digits", seconds=10)
    loaded = timm.create_model("alphanet_a1", pretrained=True)
    assert same(loaded, imagenet)
    assert not same(loaded, newer)
    assert loaded.pretrained_cfg["tag"] == "fb_in1k"
    assert len(said.messages) == 1
    assert "alphanet_a1: ImageNet weights, alphanet_a1.fb_in1k from " in said.messages[0]


def test_a_tag_makes_no_imagenet_weights(said):
    publish("alphanet_a1.flowers_in1k", classes=3)
    timm.create_model("alphanet_a1", pretrained=True)
    assert "alphanet_a1: no ImageNet weights in the store; newest tag, alphanet_a1.flowers_in1k" in said.messages[0]


def test_plain_name_else_takes_the_newest_tag(said):
    publish("alphanet_a1.aaa", seconds=1)
    newest = publish("alphanet_a1.mmm", seconds=3)
    publish("alphanet_a1.zzz", seconds=2)
    assert same(timm.create_model("alphanet_a1", pretrained=True), newest)
    assert len(said.messages) == 1
    assert "newest tag, alphanet_a1.mmm from " in said.messages[0]
    assert "no ImageNet weights" in said.messages[0]


def test_a_tag_by_name_needs_no_word(said):
    publish("alphanet_a1.digits")
    timm.create_model("alphanet_a1.digits", pretrained=True)
    assert said.messages == []


def test_without_pretrained_the_store_does_not_matter(said):
    publish("alphanet_a1.digits")
    refresh_entries()
    model = timm.create_model("alphanet_a1")
    assert (model.num_classes, model.arch.resolution, model.resize_input) == (1000, 224, False)
    assert model.pretrained_cfg["input_size"] == (3, 224, 224)
    assert not model.pretrained_cfg.get("file")
    assert said.messages == []


def test_a_tag_without_pretrained_builds_what_it_describes():
    published = publish("alphanet_subnet.tiny", A0)
    model = timm.create_model("alphanet_subnet.tiny")
    assert (model.arch, model.num_classes) == (A0, 10)
    assert not same(model, published)


def test_subnet_takes_the_arch_of_its_weights():
    model = publish("alphanet_subnet.tiny", A0)
    assert timm.create_model("alphanet_subnet", pretrained=True).arch == A0
    assert same(timm.create_model("alphanet_subnet.tiny", pretrained=True, arch=A0.to_dict()), model)
    with pytest.raises(ValueError, match=r"alphanet_subnet\.tiny has arch resolution=32 .*, not resolution=40 "):
        timm.create_model("alphanet_subnet.tiny", pretrained=True, arch=A1)


@pytest.mark.parametrize(
    "options",
    [{"num_classes": 3}, {"num_classes": 0}, {"in_chans": 1}, {"features_only": True}, {"drop_rate": 0.5}],
    ids=str,
)
def test_weights_adapt_as_timms_do(options):
    model = publish("alphanet_a1.digits")
    loaded = timm.create_model("alphanet_a1.digits", pretrained=True, **options)
    if "features_only" in options:
        torch.testing.assert_close(loaded.state_dict()["blocks_6.0.conv_dw.weight"], model.blocks[6][0].conv_dw.weight)
        return
    torch.testing.assert_close(loaded.conv_head.weight, model.conv_head.weight)
    assert loaded.num_classes == options.get("num_classes", 10)
    assert loaded.in_chans == options.get("in_chans", 3)


@pytest.mark.parametrize("name", ["alphanet_a1", "alphanet_a1.digits", "alphanet_subnet"])
def test_nothing_in_the_store_tells_the_ways(alphanet_home, name):
    for error in (NoWeightsError, RuntimeError):
        with pytest.raises(error) as caught:
            timm.create_model(name, pretrained=True)
    message = str(caught.value)
    assert message.startswith(f"no weights for {name} in the store {alphanet_home} (it has none for this model)")
    for way in (
        "alphanet quickstart",
        "alphanet train",
        "alphanet publish",
        "ALPHANET_HOME",
        "ALPHANET_HUB",
        "local-dir:",
    ):
        assert way in message


@pytest.mark.parametrize("pretrained", [True, False])
def test_unknown_tags_list_the_known_ones(pretrained):
    publish("alphanet_a1.digits")
    publish("alphanet_a1.fb_in1k", seconds=1)
    publish("alphanet_a0.other", A0, seconds=2)
    with pytest.raises(
        NoWeightsError,
        match=r"no weights for alphanet_a1\.x .*it has alphanet_a1\.fb_in1k, alphanet_a1\.digits; did",
    ):
        timm.create_model("alphanet_a1.x", pretrained=pretrained)


def test_own_sources_go_past_the_store(tmp_path, said):
    model = publish("alphanet_a1.digits")
    file = tmp_path / "elsewhere.safetensors"
    save_file(load_file(store.model_folder("alphanet_a1", "digits") / store.WEIGHTS_FILE), file)
    overlay = {"file": str(file), "num_classes": 10}
    loaded = timm.create_model("alphanet_a1", pretrained=True, pretrained_cfg_overlay=overlay, resize_input=True)
    assert said.messages == []
    assert loaded.arch.resolution == 224
    assert torch.equal(loaded.conv_head.weight, model.conv_head.weight)


def test_local_dir_loads_a_published_folder(tmp_path):
    model = publish("alphanet_subnet.tiny", A0)
    folder = store.model_folder("alphanet_subnet", "tiny").rename(tmp_path / "moved")
    loaded = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert loaded.arch == A0
    assert same(loaded, model)
    assert json.loads((folder / "config.json").read_text())["model_args"]["arch"] == A0.to_dict()


def change_config(folder, **changed):
    config = json.loads((folder / store.CONFIG_FILE).read_text())
    for key, value in changed.items():
        config[key] = {**config[key], **value}
    (folder / store.CONFIG_FILE).write_text(json.dumps(config))


def test_a_config_cannot_send_timm_elsewhere(monkeypatch):
    model = publish("alphanet_a1.digits")
    elsewhere = {"source": "hf-hub", "hf_hub_id": "stranger/x", "url": "http://localhost/x", "hf_hub_filename": "x.bin"}
    change_config(
        store.model_folder("alphanet_a1", "digits"),
        pretrained_cfg={**elsewhere, "custom_load": True, "file": "/elsewhere"},
        model_args={"pretrained_cfg_overlay": elsewhere, "pretrained_strict": False},
    )
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", None)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", None)
    assert same(timm.create_model("alphanet_a1.digits", pretrained=True), model)


def test_damaged_entries_do_no_harm(said):
    model = publish("alphanet_a1.good")
    publish("alphanet_a1.newer", seconds=9)
    weights = store.model_folder("alphanet_a1", "newer") / store.WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"left out of the store: .*alphanet_a1\.newer") as warned:
        loaded = timm.create_model("alphanet_a1", pretrained=True)
    assert len(warned) == 1
    assert same(loaded, model)
    assert "alphanet_a1.good" in said.messages[0]
