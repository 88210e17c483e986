"""What timm's users call: entries, archs in every form, resizing, saving, and what goes wrong."""

import json
from pathlib import Path

import pytest
import timm
import torch
import yaml
from torch.nn import functional as F

from alphanet_plugin import get_space
from alphanet_plugin.models import MobileNetwork, alphanet_subnet, read_arch, refresh_entries
from alphanet_plugin.spaces import Arch

SPACE = get_space("attentive_nas")
ENTRIES = {
    **{f"alphanet_{name}": arch for name, arch in SPACE.presets.items()},
    "alphanet_min": SPACE.smallest(),
    "alphanet_max": SPACE.largest(),
    **{f"attentive_nas_{name}": SPACE.presets[name] for name in ("a0", "a1", "a2", "a3", "a4", "a6")},
    "attentive_nas_a5": SPACE.parse(
        "resolution=256 width=16,16,24,32,72,112,192,216,1792 depth=1,3,3,3,4,6,1 kernel_size=3,3,3,5,3,3,3 "
        "expand_ratio=1,4,5,4,4,6,6"
    ),
}
ARCH = SPACE.presets["a1"]


def on_meta(name, **options):
    return timm.create_model(name, device="meta", **options)


def test_list_models_finds_them():
    refresh_entries()
    ours = ["alphanet_*", "attentive_nas_*"]
    assert set(timm.list_models(ours)) == {*ENTRIES, "alphanet_subnet"}
    assert timm.list_models(ours, pretrained=True) == []


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_build_their_preset(name):
    model = on_meta(name)
    arch = ENTRIES[name]
    assert isinstance(model, MobileNetwork)
    assert model.arch == arch
    assert sum(p.numel() for p in model.parameters()) == SPACE.params(arch, idle_shortcuts=False)
    cfg = model.pretrained_cfg
    assert cfg["architecture"] == name
    assert cfg["input_size"] == (3, arch.resolution, arch.resolution)
    assert (cfg["num_classes"], cfg["first_conv"], cfg["classifier"]) == (1000, "conv_stem", "classifier")
    assert cfg["license"] == "apache-2.0"
    features = model.forward_features(torch.empty(1, *cfg["input_size"], device="meta"))
    assert tuple(features.shape[-2:]) == cfg["pool_size"]
    assert timm.data.resolve_data_config({}, model=model)["input_size"] == cfg["input_size"]


def test_attentive_nas_differs_in_a5_alone():
    same = {n for n in ("a0", "a1", "a2", "a3", "a4", "a5", "a6") if ENTRIES[f"attentive_nas_{n}"] == SPACE.presets[n]}
    assert same == {"a0", "a1", "a2", "a3", "a4", "a6"}
    assert round(SPACE.mflops(ENTRIES["attentive_nas_a5"])) == 491  # as the paper has it


def test_both_protocols_stand_in_the_cfg():
    (note,) = on_meta("alphanet_a0").pretrained_cfg["notes"]
    assert "input at 192 pixels" in note
    assert "resized to 192 inside the network" in note


@pytest.mark.parametrize(
    "form",
    [lambda arch: arch, Arch.to_dict, dict, str, repr, lambda arch: {**arch.to_dict(), "width": arch.width}],
    ids=["Arch", "to_dict", "dict", "str", "repr", "tuples"],
)
def test_subnet_takes_an_arch_in_every_form(form):
    assert on_meta("alphanet_subnet", arch=form(ARCH)).arch == ARCH


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("arch.yaml", str),
        ("arch.yml", str),
        ("arch.json", str),
        ("arch.yaml", Path),
        ("any name", Path),  # a string is a path only if it ends like one
    ],
)
def test_subnet_takes_the_path_of_a_file(tmp_path, name, kind):
    path = tmp_path / name
    dump = json.dumps if name.endswith("json") else yaml.safe_dump
    path.write_text(dump(ARCH.to_dict()))
    assert on_meta("alphanet_subnet", arch=kind(path)).arch == ARCH


def test_arch_keeps_any_resolution():
    assert on_meta("alphanet_subnet", arch={**ARCH.to_dict(), "resolution": 33}).arch.resolution == 33


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (None, "alphanet_subnet needs arch="),
        ({**ARCH.to_dict(), "depth": [9, 3, 3, 3, 3, 3, 1]}, r"mb1\.depth: 9 .* 1, 2"),
        ({"width": list(ARCH.width)}, "needs its resolution"),
        ({**ARCH.to_dict(), "resolution": 0}, "needs its resolution"),
        ("a1", "reads like 'resolution=192"),
        (7, "not 7"),
        ([1, 2], r"not \[1, 2\]"),
    ],
)
def test_bad_archs(arch, message):
    with pytest.raises(ValueError, match=message):
        alphanet_subnet(arch=arch)


def test_bad_arch_files(tmp_path):
    path = tmp_path / "arch.yaml"
    with pytest.raises(FileNotFoundError, match=r"arch\.yaml"):
        read_arch(path)
    path.write_text("- 1\n- 2\n")
    with pytest.raises(ValueError, match=r"arch\.yaml must hold the fields of an arch .* \[1, 2\]"):
        read_arch(path)
    path.write_text("a: [")
    with pytest.raises(ValueError, match=r"arch\.yaml is not valid YAML"):
        read_arch(path)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ValueError, match=r"arch\.yaml is not valid YAML"):
        read_arch(path)


@pytest.mark.parametrize("name", ["alphanet_a0", "alphanet_subnet"])
def test_unknown_arguments(name):
    with pytest.raises(TypeError, match="not_an_argument"):
        timm.create_model(name, arch=ARCH, not_an_argument=1)


def test_resize_input():
    arch = Arch({**SPACE.smallest().to_dict(), "resolution": 48})
    inside = alphanet_subnet(arch=arch, num_classes=3, resize_input=True, zero_init_last=False).eval()
    outside = alphanet_subnet(arch=arch, num_classes=3).eval()
    outside.load_state_dict(inside.state_dict())
    x = torch.randn(2, 3, 61, 40)
    with torch.no_grad():
        resized = F.interpolate(x, size=(48, 48), mode="bicubic", align_corners=False)
        assert torch.equal(inside(x), outside(resized))
        assert not torch.allclose(inside(x), outside(x))
        assert torch.equal(inside.forward_intermediates(x)[0], outside.forward_features(resized))


@pytest.mark.parametrize("through_timm", [True, False], ids=["create_model", "entry"])
def test_saved_with_timm_and_loaded_again(tmp_path, through_timm):
    """timm's own export, told nothing about archs, keeps what is needed to build the model again."""
    options = {"arch": Arch({**ARCH.to_dict(), "resolution": 40}), "num_classes": 4, "resize_input": True}
    create = timm.create_model if through_timm else lambda _, **kwargs: alphanet_subnet(**kwargs)
    model = create("alphanet_subnet", **options).eval()
    timm.models.save_for_hf(model, str(tmp_path), safe_serialization=True)
    again = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert again.arch == model.arch
    x = torch.randn(1, 3, 50, 50)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_without_weights_the_store_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "nowhere"))
    assert on_meta("alphanet_a0").num_classes == 1000


def test_annotations_hold_under_python_310():
    """TorchScript and fx read annotations of the network as objects, which `from __future__` would make strings."""
    from alphanet_plugin.models import mbconv, network

    for module in (mbconv, network):
        assert "annotations" not in vars(module)
