"""Slimmable MobileNets are timm's own static models at any width."""

import math

import numpy as np
import pytest
import timm
import torch
from timm.models.efficientnet import _gen_mobilenet_v1, _gen_mobilenet_v2
from torch import nn

from alphanet_plugin import get_space
from alphanet_plugin.models import UsMobileNet, build_static
from alphanet_plugin.spaces import Arch

SPACES = {name: get_space(name) for name in ("us_mobilenet_v1", "us_mobilenet_v2")}
GENERATORS = {"us_mobilenet_v1": _gen_mobilenet_v1, "us_mobilenet_v2": _gen_mobilenet_v2}
STATIC = {
    "mobilenetv1_100": ("us_mobilenet_v1", 1.0),
    "mobilenetv1_125": ("us_mobilenet_v1", 1.25),
    "mobilenetv2_035": ("us_mobilenet_v2", 0.35),
    "mobilenetv2_050": ("us_mobilenet_v2", 0.5),
    "mobilenetv2_075": ("us_mobilenet_v2", 0.75),
    "mobilenetv2_100": ("us_mobilenet_v2", 1.0),
    "mobilenetv2_140": ("us_mobilenet_v2", 1.4),
}


def on_meta(name, **options):
    return timm.create_model(name, device="meta", **options)


def multiply_adds(model, side):
    """Convolutions and linear layers, counted as they run."""
    counts = []

    def count(module, _inputs, output):
        counts.append(output.numel() * math.prod(module.weight.shape[1:]))

    hooks = [
        module.register_forward_hook(count) for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    model.eval()(torch.empty(1, 3, side, side, device="meta"))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def structure(model):
    """All layers with their options, and which blocks have a residual connection."""
    layers = str(model).partition("(")[2]
    return layers, [module.has_skip for module in model.modules() if hasattr(module, "has_skip")]


def sizes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", STATIC)
def test_the_network_is_timms_static_one(name):
    entry, width = STATIC[name]
    theirs, ours = on_meta(name), on_meta(entry, width=width)
    assert sizes(ours) == sizes(theirs)
    assert structure(ours) == structure(theirs)
    space = get_space(entry, widths=(width, width))
    assert multiply_adds(theirs, 224) == round(space.mflops(space.largest()) * 1e6)
    assert sum(p.numel() for p in theirs.parameters()) == space.params(space.largest())


@pytest.mark.parametrize("entry", SPACES)
def test_every_width_costs_what_timms_static_model_costs(entry):
    space = SPACES[entry]
    choices = space.genes[1].choices
    drawn = space.sample_batch(4, np.random.default_rng(0))[:, 1]
    for width in [*choices[:: len(choices) // 4], 1.0, *drawn]:
        arch = space.arch(resolution=224, width=float(width))
        theirs = GENERATORS[entry](f"mobilenet{entry[-2:]}_100", float(width), num_classes=17, device="meta")
        ours = build_static(space, arch, num_classes=17, device="meta")
        assert structure(ours) == structure(theirs)
        assert multiply_adds(theirs, 224) == round(space.mflops(arch, 17) * 1e6)
        assert sum(p.numel() for p in theirs.parameters()) == space.params(arch, 17)


@pytest.mark.parametrize("entry", SPACES)
def test_residuals_are_the_widests_at_every_width(entry):
    space = SPACES[entry]
    widest = structure(on_meta(entry))[1]
    for width in space.genes[1].choices:
        blocks = [block for stage in space.network(Arch({"resolution": 224, "width": width})).stages for block in stage]
        if entry == "us_mobilenet_v2":
            assert [b.stride == 1 and b.in_channels == b.out_channels for b in blocks] == widest
    assert sum(widest) == {"us_mobilenet_v1": 0, "us_mobilenet_v2": 10}[entry]


def test_entries():
    model = on_meta("us_mobilenet_v2", width=0.5, num_classes=5)
    assert isinstance(model, UsMobileNet)
    assert model.arch == Arch({"resolution": 224, "width": 0.5})
    assert on_meta("us_mobilenet_v1").arch.width == 1.0
    assert model.pretrained_cfg["input_size"] == (3, 224, 224)
    small = on_meta("us_mobilenet_v1", arch={"resolution": 64, "width": 0.3})
    assert small.pretrained_cfg["input_size"] == (3, 64, 64)
    assert on_meta("us_mobilenet_v1", arch=str(small.arch)).arch == small.arch
    assert set(timm.list_models("us_mobilenet*")) == set(SPACES)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"width": 0}, ValueError, "needs its width, one number above 0, not 0"),
        ({"width": "half"}, ValueError, "field width .* 'half'"),
        ({"width": 0.5, "arch": {"resolution": 32, "width": 0.5}}, ValueError, "takes width or arch, not both"),
        ({"arch": {"resolution": 32}}, ValueError, "needs its width"),
        ({"arch": {"resolution": 32, "width": 0.5, "depth": 3}}, ValueError, "no field 'depth'"),
        ({"not_an_argument": 1}, TypeError, "not_an_argument"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        on_meta("us_mobilenet_v1", **options)


def test_resize_input():
    inside = build_static(SPACES["us_mobilenet_v1"], Arch({"resolution": 32, "width": 0.25}), resize_input=True).eval()
    x = torch.randn(2, 3, 41, 37)
    resized = nn.functional.interpolate(x, size=(32, 32), mode="bicubic", align_corners=False)
    with torch.no_grad():
        expected = inside(x)
        inside.resize_input = False
        assert torch.equal(inside(resized), expected)
        assert not torch.equal(inside(x), expected)


def test_saved_with_timm_and_loaded_again(tmp_path):
    model = timm.create_model("us_mobilenet_v2", width=0.35, num_classes=4).eval()
    timm.models.save_for_hf(model, str(tmp_path), safe_serialization=True)
    again = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))
    assert again.arch == model.arch
