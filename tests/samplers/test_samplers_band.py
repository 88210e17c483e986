"""Drawing archs of a given cost, against the enumeration of a reduced space."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from alphanet_plugin import get_space
from alphanet_plugin.samplers import Band, CostChain, sample_in_band
from alphanet_plugin.samplers.cost_chain import chain_of
from alphanet_plugin.spaces import Arch, SearchSpace

SPACE = get_space("attentive_nas")
# Every kind of gene stays open somewhere, and the widths that link neighbouring parts above all: 27,648 archs.
OPEN = {
    "resolution": 2, "stem.width": 2, "mb1.width": 2, "mb3.width": 2, "mb4.width": 2, "mb5.width": 3, "mb6.width": 3,
    "mb7.width": 2, "head.width": 2, "mb2.depth": 2, "mb5.kernel_size": 2, "mb4.expand_ratio": 3, "mb6.depth": 2,
}  # fmt: skip


def reduced_space(resolutions=(192, 224)):
    space = get_space("attentive_nas", resolutions=resolutions)
    space.genes = tuple(replace(gene, choices=gene.choices[: OPEN.get(gene.name, 1)]) for gene in space.genes)
    return space


def every_arch(space):
    grid = np.meshgrid(*[gene.choices for gene in space.genes], indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1)


@pytest.fixture(scope="module")
def reduced():
    space = reduced_space()
    values = every_arch(space)
    return space, values, space.mflops_batch(values)


def rounded(space, values, step, num_classes=1000):
    """Each arch's multiply-adds in steps, every part of the network rounded down by itself."""
    indices = [np.searchsorted(gene.choices, column) for gene, column in zip(space.genes, values.T, strict=True)]
    total = np.zeros(len(values), dtype=np.int64)
    for genes, macs in space.mac_parts(num_classes):
        table = macs.reshape([len(space.genes[gene].choices) for gene in genes])
        total += (table[tuple(indices[gene] for gene in genes)] - macs.min()) // step
    return total


@pytest.mark.parametrize(("resolutions", "num_classes"), [((192, 224), 1000), ((16, 25), 10)])
def test_counts_are_those_of_the_enumeration(resolutions, num_classes):
    space = reduced_space(resolutions)
    values = every_arch(space)
    chain = CostChain(space, num_classes)
    assert chain.step > 1
    steps = rounded(space, values, chain.step, num_classes)
    macs = np.round(space.mflops_batch(values, num_classes) * 1e6)
    rng = np.random.default_rng(0)
    for low, high in [*np.sort(rng.choice(macs, size=(40, 2)), axis=1).tolist(), (macs.min(), macs.max())]:
        first, last = chain.steps(int(low), int(high))
        inside = (steps >= first) & (steps <= last)
        assert chain.count(first, last) == inside.sum()
        assert inside[(macs >= low) & (macs <= high)].all(), "the steps leave out an arch of the band"
    assert chain.count(5, 4) == chain.count(-9, -1) == chain.count(1 << 40, 1 << 41) == 0


def test_the_chain_enumerates_the_space(reduced):
    space, values, mflops = reduced
    chain = CostChain(space)
    steps = chain.steps(chain.least, chain.greatest)
    assert chain.count(*steps) == space.num_archs == len(values)
    found = chain.unrank(np.arange(len(values)), *steps)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, values.tolist()))
    assert (chain.least, chain.greatest) == (round(mflops.min() * 1e6), round(mflops.max() * 1e6))


@pytest.mark.parametrize("band", [(240.0, 260.0), (300.0, 300.4), (395.0, 500.0)])
@pytest.mark.parametrize("enumerated", [0, 1 << 15])
def test_draws_are_uniform_over_the_band(reduced, monkeypatch, band, enumerated):
    space, values, mflops = reduced
    monkeypatch.setattr("alphanet_plugin.samplers.band.ENUMERATED", enumerated)
    inside = values[(mflops >= band[0]) & (mflops <= band[1])]
    drawn = Band(space, *band).sample(20 * len(inside), np.random.default_rng(7))
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    assert set(map(tuple, found.tolist())) <= set(map(tuple, inside.tolist()))
    statistic = ((counts - 20) ** 2 / 20).sum() + 20 * (len(inside) - len(found))
    assert chi2.ppf(0.001, len(inside) - 1) < statistic < chi2.ppf(0.999, len(inside) - 1)


@pytest.mark.parametrize(("low", "high", "n"), [(200, 210, 1000), (400, 410, 10_000), (203.389568, 203.389568, 3)])
def test_bands_of_the_whole_space(low, high, n):
    archs = sample_in_band(SPACE, low, high, n, np.random.default_rng(0))
    assert len(archs) == n
    assert all(isinstance(arch, Arch) for arch in archs)
    mflops = SPACE.mflops_batch(archs)
    assert mflops.min() >= low
    assert mflops.max() <= high
    assert archs == sample_in_band(SPACE, low, high, n, np.random.default_rng(0))


def test_the_whole_range_is_uniform_over_every_gene():
    values = Band(SPACE, 0, 1e9).sample(20_000, np.random.default_rng(0))
    for gene, column in zip(SPACE.genes, values.T, strict=True):
        found, counts = np.unique(column, return_counts=True)
        assert tuple(found) == gene.choices
        expected = len(values) / len(gene.choices)
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_the_band_is_that_of_rejection():
    values = SPACE.sample_batch(300_000, np.random.default_rng(1))
    mflops = SPACE.mflops_batch(values)
    kept = values[(mflops >= 600) & (mflops <= 650)]
    drawn = Band(SPACE, 600, 650).sample(len(kept), np.random.default_rng(2))
    for gene, one, other in zip(SPACE.genes, kept.T, drawn.T, strict=True):
        for choice in gene.choices:
            share = (one == choice).mean()
            assert abs((other == choice).mean() - share) < 5 * np.sqrt(2 * share * (1 - share) / len(kept)) + 1e-3


def test_shares_are_counted():
    band = Band(SPACE, 400, 410)
    band.sample(1000, np.random.default_rng(0))
    assert 1000 <= band.accepted <= band.drawn
    assert 0.9 < band.accepted / band.drawn <= 1


@pytest.mark.parametrize(
    ("low", "high", "n", "message"),
    [
        (100, 200, 1, r"no arch .* 100.0 to 200.0 MFLOPs .*least has 203\.389568, the greatest 1939\.335808"),
        (2000, 1e9, 1, "no arch .* the greatest 1939"),
        (203.4, 203.5, 1, "no arch of space attentive_nas has 203.4 to 203.5"),
        (-np.inf, 1, 1, "no arch"),
        (410, 400, 1, "from 410 to 400"),
        (np.nan, 400, 1, "from nan to 400"),
        (400, 410, -1, "0 or more, not -1"),
        (400.0000001, 400.0000002, 1, "widen it to 0.001 MFLOPs or more"),
    ],
)
def test_bands_that_cannot_be_drawn_from(low, high, n, message):
    with pytest.raises(ValueError, match=message):
        sample_in_band(SPACE, low, high, n, np.random.default_rng(0))


def test_none_of_a_band():
    assert sample_in_band(SPACE, 400, 410, 0, np.random.default_rng(0)) == []


def test_a_space_that_names_no_parts():
    class Plain(type(SPACE)):
        mac_parts = SearchSpace.mac_parts

    with pytest.raises(ValueError, match=r"define Plain\.mac_parts"):
        sample_in_band(Plain(), 400, 410, 1, np.random.default_rng(0))


def networks_in(space, low, high):
    """Every network of a small space in a band, once."""
    values = np.unique(space.sample_batch(40 * space.num_archs, np.random.default_rng(5)), axis=0)
    mflops = space.mflops_batch(values, 10)
    return values[(mflops >= low) & (mflops <= high)]


def test_archs_that_differ_in_blocks_left_out_count_once():
    stage = {"width": 8, "depth": [1, 2], "kernel_size": [3, 5], "expand_ratio": [2, 3], "per_block": ["expand_ratio"]}
    space = get_space(table={"resolutions": [16], "stem": {"width": 8}, "stages": [stage, stage]})
    low, high = np.quantile(space.mflops_batch(networks_in(space, 0, 1e9), 10), [0.2, 0.8])
    expected = networks_in(space, low, high)
    band = Band(space, low, high, 10)
    found, counts = np.unique(band.sample(20_000, np.random.default_rng(0)), axis=0, return_counts=True)
    assert (found == expected).all()
    assert np.abs(counts - 20_000 / len(found)).max() < 6 * np.sqrt(20_000 / len(found))
    assert chain_of(space, 10).count(0, 1 << 20) == space.num_archs


def test_a_space_of_more_archs_than_64_bits_count():
    space = get_space("ofa_mbv3", resolutions=(128, 160, 192, 224))
    assert space.num_archs > 2**63
    values = Band(space, 300, 310).sample(2000, np.random.default_rng(0))
    mflops = space.mflops_batch(values)
    assert mflops.min() >= 300
    assert mflops.max() <= 310
    assert (space.canonical(values) == values).all()
    # uniform over networks: by the last kernel and ratio that act, each of nine is as frequent, but for their cost
    last = values[values[:, 5] == 4][:, [25, 45]]
    assert len(np.unique(last, axis=0)) == 9
    assert len(np.unique(values, axis=0)) == len(values)


def test_float_counts_give_what_whole_numbers_give(monkeypatch):
    space = get_space("ofa_mbv3_cifar", choices={"kernel_size": [7], "mb5.depth": [2], "mb4.depth": [2]})
    exact = CostChain(space, 10)
    monkeypatch.setattr(type(space), "num_archs", 2**64)
    rough = CostChain(space, 10)
    first, last = exact.steps(100_000_000, 101_000_000)
    assert rough.count(first, last) == exact.count(first, last) > 1000
    assert rough.count(0, 1 << 20) == exact.count(0, 1 << 20)
    places = np.arange(1000)
    assert (rough.unrank(places, first, last) == exact.unrank(places, first, last)).all()
    drawn = rough.draw(20_000, first, last, np.random.default_rng(0))
    also = exact.draw(20_000, first, last, np.random.default_rng(1))
    for column, gene in enumerate(space.genes):
        shares = [[(values[:, column] == choice).mean() for choice in gene.choices] for values in (drawn, also)]
        assert np.abs(np.subtract(*shares)).max() < 0.03, gene.name
