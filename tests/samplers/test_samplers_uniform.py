"""Uniform archs without the ends."""

import numpy as np

from alphanet_plugin import get_space
from alphanet_plugin.samplers import UniformSampler

SPACE = get_space("attentive_nas", resolutions=(32, 40))


def test_the_costliest_comes_first():
    archs = UniformSampler(SPACE, num_archs=5).archs(3)
    assert len(archs) == 5
    mflops = SPACE.mflops_batch(archs)
    assert mflops.tolist() == sorted(mflops, reverse=True)


def test_a_pure_function_of_seed_and_step():
    sampler = UniformSampler(SPACE, seed=1)
    later = sampler.archs(9)
    assert sampler.archs(3) == UniformSampler(SPACE, seed=1).archs(3)
    assert sampler.archs(9) == later
    assert sampler.archs(3) != sampler.archs(4)
    assert sampler.archs(3) != UniformSampler(SPACE, seed=2).archs(3)


def test_uniform_over_every_gene():
    sampler = UniformSampler(SPACE, num_archs=4)
    values = SPACE.values_batch([arch for step in range(500) for arch in sampler.archs(step)])
    for gene, column in zip(SPACE.genes, values.T, strict=True):
        found, counts = np.unique(column, return_counts=True)
        assert tuple(found) == gene.choices
        expected = len(values) / len(gene.choices)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
