"""Samplers, and archs of a given cost, over a space with a continuous gene."""

from collections import Counter

import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.samplers import (
    AttentiveSampler,
    CostChain,
    FlopsPrior,
    SandwichSampler,
    UniformSampler,
    sample_in_band,
)

SPACE = get_space("us_mobilenet_v1")


def test_sandwich_is_widest_two_random_and_narrowest():
    sampler = SandwichSampler(SPACE, seed=3)
    steps = [sampler.archs(step) for step in range(300)]
    assert {len(archs) for archs in steps} == {4}
    assert {archs[0] for archs in steps} == {SPACE.largest()}
    assert {archs[-1] for archs in steps} == {SPACE.smallest()}
    widths = np.asarray([arch.width for archs in steps for arch in archs[1:-1]])
    assert len(np.unique(widths)) == 600
    assert widths.min() >= 0.25
    assert widths.max() <= 1.0
    assert np.abs(np.histogram(widths, bins=5, range=(0.25, 1))[0] - 120).max() < 6 * 120**0.5
    assert sampler.archs(7) == SandwichSampler(SPACE, seed=3).archs(7)


def test_uniform_has_the_most_costly_first():
    archs = UniformSampler(SPACE, num_archs=5).archs(0)
    assert [arch.width for arch in archs] == sorted((arch.width for arch in archs), reverse=True)


def test_a_band_holds_each_network_once():
    space = get_space("us_mobilenet_v1", resolutions=(160, 192, 224))
    every = [space.arch(resolution=r, width=w) for r in (160, 192, 224) for w in space.genes[1].choices]
    inside = {arch for arch in every if 100 <= space.mflops(arch) <= 150}
    found = sample_in_band(space, 100, 150, 20_000, np.random.default_rng(0))
    assert set(found) == inside
    counts = np.asarray(list(Counter(found).values()))
    assert np.abs(counts - 20_000 / len(inside)).max() < 6 * (20_000 / len(inside)) ** 0.5
    chain = CostChain(space)
    assert (chain.least, chain.greatest) == tuple(
        round(space.mflops(arch) * 1e6) for arch in (space.smallest(), space.largest())
    )
    with pytest.raises(ValueError, match="no arch of space us_mobilenet_v1 has 1000"):
        sample_in_band(space, 1000, 1001, 1, np.random.default_rng(0))


def test_attentive_candidates_share_a_bin():
    sampler = AttentiveSampler(SPACE, num_candidates=4, predictor=SPACE.mflops)
    archs = sampler.archs(0)
    assert (archs[0], archs[-1]) == (SPACE.largest(), SPACE.smallest())
    for group in sampler.candidates(0):
        assert len({SPACE.mflops(arch) // 25 for arch in group}) == 1
    assert FlopsPrior(SPACE).probabilities.sum() == pytest.approx(1)
