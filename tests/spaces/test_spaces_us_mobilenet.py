"""The slimmable spaces: a continuous width, archs with floats, costs."""

import json
import pickle

import numpy as np
import pytest
import yaml

from alphanet_plugin import get_space
from alphanet_plugin.spaces import Arch, ContinuousGene
from alphanet_plugin.spaces.us_mobilenet import roundest, run_edges

V1, V2 = get_space("us_mobilenet_v1"), get_space("us_mobilenet_v2")
SPACES = pytest.mark.parametrize("space", [V1, V2], ids=lambda space: space.name)


def at(space, width, resolution=224):
    return space.arch(resolution=resolution, width=width)


def channels(space, width):
    return [
        (block.in_channels, block.mid_channels, block.out_channels)
        for stage in space.network(Arch({"resolution": 224, "width": width})).stages
        for block in stage
    ]


def test_costs_are_the_papers():
    # Sandler et al. (2018), Table 4 and section 6; Howard et al. (2017), Tables 4, 6
    assert [round(space.mflops(space.largest())) for space in (V1, V2)] == [569, 301]
    assert [round(V1.mflops(at(V1, width))) for width in (0.5, 0.75, 0.25)] == [149, 325, 41]
    assert [round(space.params(space.largest()) / 1e6, 1) for space in (V1, V2)] == [4.2, 3.5]


@SPACES
def test_ends_presets_and_size(space):
    low, high = space.widths
    assert (space.smallest().width, space.largest().width) == (low, high)
    assert list(space.presets)[-2:] == ["0.75x", "1.00x"]
    assert [float(name[:-1]) for name in space.presets] == [arch.width for arch in space.presets.values()]
    assert len(space.presets) == {"us_mobilenet_v1": 12, "us_mobilenet_v2": 10}[space.name]
    # as many archs as there are different networks
    widths = np.linspace(low, high, 20_001)
    assert space.num_archs == len({str(channels(space, width)) for width in widths})
    more = get_space(space.name, resolutions=(32, 48))
    assert more.num_archs == 2 * space.num_archs
    assert {arch.resolution for arch in more.presets.values()} == {48}


@SPACES
def test_candidates_stand_one_for_each_network(space):
    gene = space.genes[1]
    assert isinstance(gene, ContinuousGene)
    assert list(gene.indices(np.asarray(gene.choices))) == list(range(space.num_archs))
    before = np.nextafter(gene.edges[1:], 0)
    assert (gene.indices(before) == np.arange(space.num_archs - 1)).all()
    for width, edge, last in zip(gene.choices[1:], gene.edges[1:], before, strict=True):
        assert channels(space, width) == channels(space, edge) != channels(space, last)
    assert {arch.width for arch in space.presets.values()} <= set(gene.choices)


@SPACES
@pytest.mark.parametrize(
    "read_back",
    [
        lambda arch: Arch.parse(str(arch)),
        lambda arch: Arch(json.loads(json.dumps(arch.to_dict()))),
        lambda arch: Arch(yaml.safe_load(yaml.safe_dump(arch.to_dict()))),
        lambda arch: pickle.loads(pickle.dumps(arch)),
    ],
    ids=["str", "json", "yaml", "pickle"],
)
def test_archs_read_back(space, read_back):
    rng = np.random.default_rng(0)
    for arch in [space.sample(rng), space.smallest(), space.largest()]:
        again = space.validate(read_back(arch))
        assert (again, hash(again), str(again)) == (arch, hash(arch), str(arch))
        assert space.parse(str(arch)) == arch
        assert isinstance(again.width, float)
        assert isinstance(again.resolution, int)


@SPACES
def test_widths_are_drawn_uniformly_from_the_whole_range(space):
    space = get_space(space.name, resolutions=(32, 48))
    values = space.sample_batch(20_000, np.random.default_rng(1))
    assert values.dtype == np.float64
    assert (values == space.sample_batch(20_000, np.random.default_rng(1))).all()
    assert abs((values[:, 0] == 32).mean() - 0.5) < 0.02
    low, high = space.widths
    assert len(np.unique(values[:, 1])) > 19_000
    counts = np.histogram(values[:, 1], bins=10, range=(low, high))[0]
    assert counts.sum() == 20_000
    assert np.abs(counts - 2000).max() < 6 * 2000**0.5
    assert space.validate(space.from_values(values[0])).width == values[0, 1]


@SPACES
@pytest.mark.parametrize("num_classes", [10, 1000])
def test_batch_equals_single(space, num_classes):
    space = get_space(space.name, resolutions=(33, 224))
    values = space.sample_batch(100, np.random.default_rng(0))
    archs = space.from_values_batch(values)
    assert space.mflops_batch(values, num_classes).tolist() == [space.mflops(arch, num_classes) for arch in archs]
    assert space.params_batch(archs, num_classes).tolist() == [space.params(arch, num_classes) for arch in archs]
    assert (space.values_batch(archs) == values).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resolution": 224, "width": 0.2}, "gene width: 0.2 is not in its range; give a number from 0.25 to 1.0"),
        ({"resolution": 224, "width": 1.0001}, "gene width: 1.0001 .* from 0.25 to 1.0"),
        ({"resolution": 224, "width": "wide"}, "field width .* 'wide'"),
        ({"resolution": 224, "width": float("nan")}, "field width .* nan"),
        ({"resolution": 224, "width": True}, "field width .* True"),
        ({"resolution": 224, "width": [0.5]}, "width takes one number"),
        ({"resolution": 223, "width": 0.5}, "resolution: 223 .* 224"),
        ({"width": 0.5}, "field resolution is missing"),
    ],
)
def test_errors_name_gene_value_and_range(fields, message):
    with pytest.raises(ValueError, match=message):
        V1.arch(**fields)


def test_errors_of_the_batch():
    values = V1.sample_batch(3, np.random.default_rng(0))
    values[1, 1] = 1.5
    with pytest.raises(ValueError, match=r"gene width: 1\.5"):
        V1.mflops_batch(values)
    values[1] = 223.5, 0.5
    with pytest.raises(ValueError, match=r"gene resolution: 223\.5"):
        V1.mflops_batch(values)
    with pytest.raises(ValueError, match=r"numbers \(n, 2\)"):
        V1.mflops_batch(values[:, :1])


@pytest.mark.parametrize("widths", [(), (0.5,), (1.0, 0.5), (0.0, 1.0), (0.5, float("inf")), ("a", "b"), (True, 1.0)])
def test_bad_widths(widths):
    with pytest.raises(ValueError, match="widths are the least and the greatest"):
        get_space("us_mobilenet_v1", widths=widths)


def test_a_range_over_which_residuals_would_differ_is_refused():
    # at 0.25 timm's MobileNetV2 has 8 channels before and after its first block, which then is a residual one
    with pytest.raises(ValueError, match="other residual connections"):
        get_space("us_mobilenet_v2", widths=(0.25, 1.0))
    assert get_space("us_mobilenet_v2", widths=(0.25, 0.25)).num_archs == 1


@SPACES
def test_space_is_rebuilt_from_its_config(space):
    small = get_space(space.name, resolutions=(32, 40), widths=(0.5, 0.75))
    assert get_space(**yaml.safe_load(yaml.safe_dump(small.to_config()))).genes == small.genes
    assert pickle.loads(pickle.dumps(small)).genes == small.genes
    assert list(small.presets) == ["0.50x", "0.55x", "0.60x", "0.65x", "0.70x", "0.75x"]


def test_run_edges_are_exact_also_where_two_lie_side_by_side():
    one = 0.3
    thresholds = np.asarray([one, np.nextafter(one, 1), 0.7])
    edges = run_edges(lambda x: (x[:, None] >= thresholds).astype(int), 0.1, 0.9)
    assert edges == (0.1, *thresholds)
    assert run_edges(lambda x: np.zeros((len(x), 1), int), 0.5, 0.5) == (0.5,)


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [(0.25, 0.2511, 0.25), (0.4961, 0.5039, 0.5), (0.4376, 0.46, 0.45), (0.7, 0.9, 0.7), (0.123, 0.124, 0.123)],
)
def test_the_roundest_number(low, high, number):
    assert roundest(low, high) == number
