"""The sandwich rule."""

import numpy as np

from alphanet_plugin import get_space
from alphanet_plugin.samplers import SandwichSampler

SPACE = get_space("attentive_nas", resolutions=(32, 40))


def test_largest_first_smallest_last():
    archs = SandwichSampler(SPACE, num_random=2).archs(5)
    assert len(archs) == 4
    assert archs[0] == SPACE.largest()
    assert archs[-1] == SPACE.smallest()


def test_a_pure_function_of_seed_and_step():
    sampler = SandwichSampler(SPACE, seed=1)
    later = sampler.archs(9)
    assert sampler.archs(3) == SandwichSampler(SPACE, seed=1).archs(3)
    assert sampler.archs(9) == later
    assert sampler.archs(3) != sampler.archs(4)
    assert sampler.archs(3) != SandwichSampler(SPACE, seed=2).archs(3)


def test_the_random_ones_are_uniform_over_every_gene():
    sampler = SandwichSampler(SPACE, num_random=4)
    values = SPACE.values_batch([arch for step in range(500) for arch in sampler.archs(step)[1:-1]])
    for gene, column in zip(SPACE.genes, values.T, strict=True):
        found, counts = np.unique(column, return_counts=True)
        assert tuple(found) == gene.choices
        expected = len(values) / len(gene.choices)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
