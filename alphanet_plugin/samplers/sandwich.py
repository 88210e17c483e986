"""The sandwich rule."""

import numpy as np

from ..spaces import Arch, SearchSpace
from .sampler import Sampler


class SandwichSampler(Sampler):
    """The largest arch, then `num_random` drawn uniformly, then the smallest (Yu & Huang, ICCV 2019; AlphaNet, 4.2).

    Args:
        space: The search space.
        num_random: How many random archs.
        seed: Together with the step it fixes them.
    """

    def __init__(self, space: SearchSpace, num_random: int = 2, seed: int = 0):
        self.space = space
        self.num_random = num_random
        self.seed = seed
        self._ends = space.largest(), space.smallest()

    def archs(self, step: int) -> list[Arch]:
        rng = np.random.default_rng((self.seed, step))
        largest, smallest = self._ends
        return [largest, *(self.space.sample(rng) for _ in range(self.num_random)), smallest]
