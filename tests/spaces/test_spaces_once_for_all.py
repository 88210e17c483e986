"""The once-for-all spaces against the released programs' figures."""

import json
from pathlib import Path

import pytest

from alphanet_plugin import get_space

DATA = Path(__file__).parents[1] / "data"
MEASURED = json.loads((DATA / "ofa_macs.json").read_text())
NAMES = {"mbv3": "ofa_mbv3", "proxyless": "ofa_proxyless"}


@pytest.mark.parametrize("name", NAMES)
def test_random_archs_cost_what_was_measured(name):
    space = get_space(NAMES[name])
    rows = [row for row in MEASURED if row["space"] == name]
    archs = [
        space.arch(resolution=row["resolution"], kernel_size=row["ks"], expand_ratio=row["e"], depth=row["d"])
        for row in rows
    ]
    measured = [(row["macs"], row["params"], 0) for row in rows]
    assert len(archs) == 30
    assert [tuple(space.cost(arch)) for arch in archs] == measured
    assert [tuple(costs) for costs in space.cost_batch(space.values_batch(archs)).T.tolist()] == measured


def test_widths_of_the_multipliers():
    def widths(space):
        spec = space.network(space.largest())
        stages = [stage[0].out_channels for stage in spec.stages]
        return [spec.stem_channels, *stages, spec.expand_channels, spec.head_channels]

    assert widths(get_space("ofa_mbv3")) == [16, 16, 24, 40, 80, 112, 160, 960, 1280]
    assert widths(get_space("ofa_mbv3", width_mult=1.2)) == [24, 24, 32, 48, 96, 136, 192, 1152, 1536]
    assert widths(get_space("ofa_proxyless")) == [40, 24, 32, 56, 104, 128, 248, 416, 1664, 0]
    assert widths(get_space("ofa_proxyless", width_mult=1)) == [32, 16, 24, 40, 80, 96, 192, 320, 1280, 0]


def test_squeezed_channels_by_the_full_rule():
    space = get_space("ofa_mbv3")
    spec = space.network(space.smallest())
    first = spec.stages[2][0]
    assert (first.in_channels, first.mid_channels, first.se_channels) == (24, 72, 24)  # 72 // 4 is 18, and 16 too few


def test_ends_at_224():
    space = get_space("ofa_mbv3", resolutions=(224,))
    assert [f"{space.mflops(arch):.3f}" for arch in (space.largest(), space.smallest())] == ["566.171", "121.279"]


@pytest.mark.parametrize(
    ("name", "num_classes", "printed"),
    [
        ("ofa_mbv3_cifar", 10, [45.09, 68.30, 91.52, 120.76, 132.93, 179.71]),
        ("ofa_mbv3", 1000, [151.29, 222.0, 292.71, 383.71, 424.4, 566.17]),
    ],
)
def test_the_networks_of_the_mean_pareto_accuracy(name, num_classes, printed):
    space = get_space(name)
    assert list(space.presets) == ["d2e3", "d3e3", "d4e3", "d4e4", "d3e6", "d4e6"]
    assert [round(space.mflops(arch, num_classes), 2) for arch in space.presets.values()] == printed


def test_what_the_blueprints_say_beside_channels():
    mbv3, proxyless, cifar = (get_space(name) for name in ("ofa_mbv3", "ofa_proxyless", "ofa_mbv3_cifar"))
    spec = mbv3.network(mbv3.largest())
    assert [stage[0].act for stage in spec.stages] == ["relu"] * 3 + ["hard_swish"] * 3
    assert [bool(stage[0].se_channels) for stage in spec.stages] == [False, False, True, False, True, True]
    assert (spec.stem_act, spec.head_act, spec.norm_eps, spec.stem_stride) == ("hard_swish", "hard_swish", 1e-5, 2)
    assert not spec.stages[0][0].expands
    assert not any(block.projects for stage in spec.stages for block in stage)
    other = proxyless.network(proxyless.largest())
    assert {block.act for stage in other.stages for block in stage} == {"relu6"}
    assert (other.norm_eps, [len(stage) for stage in other.stages]) == (1e-3, [1, 4, 4, 4, 4, 4, 1])
    small = cifar.network(cifar.largest())
    assert (small.stem_stride, [stage[0].stride for stage in small.stages]) == (1, [1, 1, 2, 2, 1, 2])
