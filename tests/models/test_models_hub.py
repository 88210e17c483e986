"""`pretrained=True` with ALPHANET_HUB: the store first, then the organisation's repositories."""

import json
import logging
import shutil

import pytest
import timm
import torch
from safetensors.torch import save_file

from alphanet_plugin import get_space, store
from alphanet_plugin.digest import digest
from alphanet_plugin.errors import CheckpointError, ConfigError, NoWeightsError
from alphanet_plugin.models import alphanet_subnet, refresh_entries

A0 = get_space("attentive_nas", resolutions=(32, 40, 48, 56)).presets["a0"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A published folder and its model."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("made")
    model = alphanet_subnet(arch=A0, num_classes=3, zero_init_last=False)
    save_file(model.state_dict(), folder / store.WEIGHTS_FILE)
    config = {
        "architecture": "alphanet_a0", "num_classes": 3, "model_args": {"arch": A0.to_dict()},
        "pretrained_cfg": {"input_size": [3, 32, 32], "num_classes": 3, "license": "apache-2.0"},
        "alphanet": digest(folder / store.WEIGHTS_FILE),
    }  # fmt: skip
    (folder / store.CONFIG_FILE).write_text(json.dumps(config))
    (folder / store.CARD_FILE).write_text("# A card")
    return model, folder


@pytest.fixture(autouse=True)
def my_lab(monkeypatch):
    monkeypatch.setenv("ALPHANET_HUB", "my-lab")


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, logger="alphanet_plugin")
    return caplog


def bias(model):
    return model.state_dict()["classifier.bias"]


def test_pretrained_finds_the_hub(loopback_hub, made, said):
    model, folder = made
    loopback_hub.put_folder("my-lab/alphanet_a0.digits", folder)
    loaded = timm.create_model("alphanet_a0.digits", pretrained=True)
    assert torch.equal(bias(loaded), bias(model))
    assert (loaded.arch, loaded.pretrained_cfg["tag"]) == (A0, "digits")
    assert timm.list_models("alphanet_*", pretrained=True) == ["alphanet_a0.digits"]
    assert said.messages == []
    assert timm.create_model("alphanet_a0", pretrained=True).arch == A0
    assert "alphanet_a0: no ImageNet weights on the hub; newest tag, alphanet_a0.digits" in said.messages[0]


def test_the_store_comes_first_and_asks_nobody(loopback_hub, made):
    loopback_hub.put_folder("my-lab/alphanet_a0.digits", made[1])
    shutil.copytree(made[1], store.model_folder("alphanet_a0", "digits"))
    for name in ("alphanet_a0.digits", "alphanet_a0"):
        assert timm.create_model(name, pretrained=True).arch == A0
    assert loopback_hub.requests == []


def test_without_a_network_store_and_copies_still_work(loopback_hub, made, said):
    loopback_hub.put_folder("my-lab/alphanet_a0.digits", made[1])
    timm.create_model("alphanet_a0.digits", pretrained=True)
    loopback_hub.off()
    assert timm.create_model("alphanet_a0.digits", pretrained=True).arch == A0
    assert len(said.messages) == 1
    assert "using the copy of my-lab/alphanet_a0.digits" in said.messages[0]
    assert timm.create_model("alphanet_a0.digits").arch == A0, "without pretrained the copy's arch is enough"
    shutil.copytree(made[1], store.model_folder("alphanet_a0", "mine"))
    assert timm.create_model("alphanet_a0.mine", pretrained=True).arch == A0
    with pytest.raises(
        NoWeightsError, match=r"no weights for alphanet_a1\.digits .* nor from ALPHANET_HUB: the connec"
    ):
        timm.create_model("alphanet_a1.digits", pretrained=True)


def test_what_the_hub_does_not_show(loopback_hub, made):
    loopback_hub.put_folder("my-lab/alphanet_a0.digits", made[1], private=True)
    with pytest.raises(NoWeightsError, match=r"nor from ALPHANET_HUB: the hub shows .*`hf auth login` or set HF_TOKEN"):
        timm.create_model("alphanet_a0.digits", pretrained=True)


def test_damage_is_not_loaded(loopback_hub, made):
    loopback_hub.put_folder("my-lab/alphanet_a0.digits", made[1])
    loopback_hub.corrupt = True
    with pytest.raises(CheckpointError, match=r"sha256 .* expected, .* found"):
        timm.create_model("alphanet_a0.digits", pretrained=True)


def test_another_organisations_copies_are_not_this_ones(loopback_hub, made, monkeypatch):
    loopback_hub.put_folder("my-lab/alphanet_a0.digits", made[1])
    timm.create_model("alphanet_a0.digits", pretrained=True)
    monkeypatch.setenv("ALPHANET_HUB", "other-lab")
    refresh_entries()
    assert timm.list_models("alphanet_*", pretrained=True) == []
    with pytest.raises(NoWeightsError):
        timm.create_model("alphanet_a0.digits", pretrained=True)


def test_a_name_that_is_none(monkeypatch):
    monkeypatch.setenv("ALPHANET_HUB", "https://example.org")
    refresh_entries()
    with pytest.raises(ConfigError, match="ALPHANET_HUB must be the name of one organisation"):
        timm.create_model("alphanet_a0.digits", pretrained=True)
