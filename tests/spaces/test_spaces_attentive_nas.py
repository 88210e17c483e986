"""The AttentiveNAS space against the published tables."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

from alphanet_plugin import get_space
from alphanet_plugin.spaces import Arch

DATA = Path(__file__).parents[1] / "data"
SPACE = get_space("attentive_nas")

# name: resolution, MFLOPs as printed with three digits, parameters at 1000 classes
PUBLISHED = {
    "a0": (192, "203.390", 9064648),
    "a1": (224, "279.239", 9563336),
    "a2": (224, "316.730", 11306560),
    "a3": (224, "356.518", 12999072),
    "a4": (256, "443.531", 11997928),
    "a5": (256, "491.481", 13196944),
    "a5_base": (288, "594.786", 12602440),
    "a6": (288, "709.007", 15441448),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_cost_what_was_published(name):
    arch = SPACE.presets[name]
    assert (arch.resolution, f"{SPACE.mflops(arch):.3f}", SPACE.params(arch)) == PUBLISHED[name]


def test_presets_are_exactly_the_published_ones():
    assert list(SPACE.presets) == list(PUBLISHED)


def test_ends_of_the_space():
    assert (f"{SPACE.mflops(SPACE.smallest()):.3f}", SPACE.params(SPACE.smallest())) == ("203.390", 9064648)
    assert (f"{SPACE.mflops(SPACE.largest()):.3f}", SPACE.params(SPACE.largest())) == ("1939.336", 23934704)


def test_random_archs_cost_what_was_measured():
    rows = json.loads((DATA / "mflops.json").read_text())
    archs = [SPACE.arch(resolution=r, width=w, depth=d, kernel_size=k, expand_ratio=e) for r, w, d, k, e, _ in rows]
    measured = [row[-1] for row in rows]
    assert [SPACE.mflops(arch) for arch in archs] == measured
    assert SPACE.mflops_batch(archs).tolist() == measured


@pytest.mark.parametrize("num_classes", [10, 1000])
def test_batch_equals_single(num_classes):
    values = SPACE.sample_batch(200, np.random.default_rng(0))
    archs = [SPACE.from_values(row) for row in values]
    assert SPACE.mflops_batch(values, num_classes).tolist() == [SPACE.mflops(a, num_classes) for a in archs]
    for idle in (True, False):
        batch = SPACE.params_batch(values, num_classes, idle_shortcuts=idle)
        assert batch.tolist() == [SPACE.params(a, num_classes, idle_shortcuts=idle) for a in archs]


def test_other_resolutions_keep_the_rank_of_each_preset():
    small = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
    ranks = {192: 32, 224: 40, 256: 48, 288: 56}
    for name, arch in SPACE.presets.items():
        assert small.presets[name] == Arch({**arch.to_dict(), "resolution": ranks[arch.resolution]})
    assert small.largest().resolution == 56
    assert get_space("attentive_nas", resolutions=(64,)).presets["a6"].resolution == 64


def test_sampling_is_uniform_seeded_and_valid():
    values = SPACE.sample_batch(20_000, np.random.default_rng(1))
    assert (values == SPACE.sample_batch(20_000, np.random.default_rng(1))).all()
    for gene, column in zip(SPACE.genes, values.T, strict=True):
        found, counts = np.unique(column, return_counts=True)
        assert tuple(found) == gene.choices
        expected = len(values) / len(gene.choices)
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)
    assert SPACE.validate(SPACE.sample(np.random.default_rng(2)))


def test_size_of_the_space():
    assert SPACE.num_archs == np.prod([float(len(gene.choices)) for gene in SPACE.genes])


def arguments(**changed):
    return {**SPACE.presets["a0"].to_dict(), **changed}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (arguments(width=[16, 16, 24, 48, 64, 112, 192, 216, 1792]), r"mb3\.width: 48 .* 32, 40"),
        (arguments(resolution=193), "resolution: 193 .* 192, 224, 256, 288"),
        (arguments(depth=[0, 3, 3, 3, 3, 3, 1]), r"mb1\.depth: 0 .* 1, 2"),
        (arguments(kernel_size=[3, 3]), r"kernel_size takes 7 numbers \(mb1\.kernel_size"),
        (arguments(resolution=[192]), "resolution takes one number"),
        (arguments(depht=[1]), "did you mean 'depth'"),
        (arguments(depth="1333331"), "field depth .* '1333331'"),
        (arguments(depth=[1, 3, 3, 3.5, 3, 3, 1]), r"mb4\.depth: 3\.5 .* 3, 4, 5, 6"),
        ({"resolution": 192}, "field width is missing; it holds stem.width"),
    ],
)
def test_errors_name_gene_value_and_candidates(fields, message):
    with pytest.raises(ValueError, match=message):
        SPACE.arch(**fields)


def test_errors_of_the_batch():
    values = SPACE.sample_batch(3, np.random.default_rng(0))
    values[1, 4] = 48
    with pytest.raises(ValueError, match=r"mb3\.width: 48 .* 32, 40"):
        SPACE.mflops_batch(values)
    with pytest.raises(ValueError, match=r"integers \(n, 31\)"):
        SPACE.mflops_batch(values[:, :30])


@pytest.mark.parametrize("resolutions", [(), (40, 32), (32, 32), (32.5,), (0, 32), ("32",)])
def test_bad_resolutions(resolutions):
    with pytest.raises(ValueError, match="ascending whole numbers of pixels"):
        get_space("attentive_nas", resolutions=resolutions)


def test_bad_space_names():
    with pytest.raises(ValueError, match="did you mean 'attentive_nas'"):
        get_space("attentivenas")
    with pytest.raises(ValueError, match="resolution"):
        get_space("attentive_nas", resolution=3)


def test_space_is_rebuilt_from_its_config():
    small = get_space("attentive_nas", resolutions=(32, 40))
    assert get_space(**yaml.safe_load(yaml.safe_dump(small.to_config()))).genes == small.genes
    assert pickle.loads(pickle.dumps(small)).genes == small.genes
