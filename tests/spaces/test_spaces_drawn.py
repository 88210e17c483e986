"""Subspaces, CompOFA's above all, with every sampler, archs of a given cost, and the evolution."""

import numpy as np
import pytest
from spaces import COMPOFA, SPACES

from alphanet_plugin import get_space
from alphanet_plugin.samplers import AttentiveSampler, CostChain, SandwichSampler, UniformSampler, sample_in_band
from alphanet_plugin.search import EvolutionSearch

SUBSPACES = ("compofa", "kernel 7", "shallow", "tied", "narrow")
COMPOFA_SPACE = get_space("ofa_mbv3", resolutions=(224,), **COMPOFA)
SAMPLERS = {
    "sandwich": lambda space: SandwichSampler(space, seed=1),
    "uniform": lambda space: UniformSampler(space, num_archs=4, seed=1),
    "best_up": lambda space: AttentiveSampler(space, predictor=space.mflops, seed=1),
    "worst_up": lambda space: AttentiveSampler(space, predictor=space.mflops, mode="worst_up", seed=1),
}


def whole_of(space):
    config = space.to_config()
    return get_space(**{key: value for key, value in config.items() if key not in ("choices", "follow")})


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", SUBSPACES)
def test_samplers_draw_from_what_is_left(name, sampler):
    space, whole = SPACES[name], whole_of(SPACES[name])
    drawn = SAMPLERS[sampler](space)
    for arch in [arch for step in range(5) for arch in drawn.archs(step)]:
        assert space.validate(arch) == whole.validate(arch) == arch
    if sampler != "uniform":
        assert (drawn.archs(0)[0], drawn.archs(0)[-1]) == (space.largest(), space.smallest())


@pytest.mark.parametrize("name", SUBSPACES)
def test_archs_of_a_cost_are_of_the_subspace(name):
    space = SPACES[name]
    low, high = np.quantile(space.mflops_batch(space.sample_batch(400, np.random.default_rng(0))), [0.4, 0.6])
    for arch in sample_in_band(space, low, high, 30, np.random.default_rng(0)):
        assert space.validate(arch) == arch
        assert low <= space.mflops(arch) <= high


def test_every_network_of_compofa_is_drawn_counted_and_found():
    every = set(COMPOFA_SPACE.from_values_batch(COMPOFA_SPACE.sample_batch(6000, np.random.default_rng(0))))
    chain = CostChain(COMPOFA_SPACE)
    assert len(every) == 243 == chain.count(*chain.steps(chain.least, chain.greatest))
    assert set(sample_in_band(COMPOFA_SPACE, 0, 1e4, 6000, np.random.default_rng(0))) == every
    search = EvolutionSearch(
        COMPOFA_SPACE, lambda arch: {"top1": sum(arch.depth)}, min_mflops=0.0, max_mflops=1e9, num_classes=10,
        num_random=60, num_parents=40, num_crossovers=60, num_mutations=60, num_rounds=6,
    )  # fmt: skip
    assert {subnet.arch for subnet in search.run()} == every


def test_children_in_a_search_keep_what_follows():
    space = SPACES["compofa"]
    search = EvolutionSearch(
        space, lambda arch: {"top1": sum(arch.depth)}, min_mflops=0.0, max_mflops=250.0, num_classes=1000,
        num_random=10, num_parents=6, num_crossovers=8, num_mutations=8, num_rounds=3,
    )  # fmt: skip
    found = [subnet.arch for subnet in search.run()]
    assert len(set(found)) == len(found) == 10 + 2 * 16
    ratio = {2: 3, 3: 4, 4: 6}
    for arch in found:
        assert space.validate(arch) == arch
        assert space.mflops(arch) <= 250
        for depth, ratios in zip(arch.depth, np.reshape(arch.expand_ratio, (5, 4)), strict=True):
            assert set(ratios[:depth]) == {ratio[depth]}
