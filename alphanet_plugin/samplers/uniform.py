"""Archs drawn uniformly, and no others."""

import numpy as np

from ..spaces import Arch, SearchSpace
from .sampler import Sampler


class UniformSampler(Sampler):
    """`num_archs` archs drawn uniformly and independently, without the sandwich's ends.

    The one with the most multiply-adds comes first: it learns from the labels and teaches the others. With one arch
    this is single-path training.

    Args:
        space: The search space.
        num_archs: How many archs.
        seed: Together with the step it fixes them.
    """

    def __init__(self, space: SearchSpace, num_archs: int = 4, seed: int = 0):
        self.space = space
        self.num_archs = num_archs
        self.seed = seed

    def archs(self, step: int) -> list[Arch]:
        values = self.space.sample_batch(self.num_archs, np.random.default_rng((self.seed, step)))
        costliest_first = np.argsort(-self.space.mflops_batch(values), kind="stable")
        return self.space.from_values_batch(values[costliest_first])
