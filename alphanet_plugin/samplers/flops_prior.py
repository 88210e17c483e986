"""How the multiply-adds of uniformly drawn archs are distributed."""

from __future__ import annotations

import numpy as np

from ..spaces import SearchSpace


class FlopsPrior:
    """The histogram of a space's archs over their MFLOPs (AttentiveNAS, CVPR 2021, section 4), from a seeded sample.

    Args:
        space: The search space.
        bin_mflops: Width of the bins, which begin at multiples of it.
        num_archs: How many archs are drawn uniformly.
        seed: Of these archs.
        num_classes: Outputs of the classifier.

    Attributes:
        edges: float64 (n + 1,), the bins' edges in MFLOPs.
        probabilities: float64 (n,), each bin's share of the archs.
    """

    def __init__(
        self,
        space: SearchSpace,
        bin_mflops: float = 25.0,
        num_archs: int = 100_000,
        seed: int = 0,
        num_classes: int = 1000,
    ):
        if not bin_mflops > 0:
            raise ValueError(f"bin_mflops must be above 0, not {bin_mflops}")
        values = space.sample_batch(num_archs, np.random.default_rng(seed))
        mflops = space.mflops_batch(values, num_classes)
        self.edges = bin_mflops * np.arange(mflops.min() // bin_mflops, mflops.max() // bin_mflops + 2)
        counts = np.histogram(mflops, self.edges)[0]
        self.probabilities = counts / counts.sum()

    def sample(self, rng: np.random.Generator) -> tuple[float, float]:
        """Lower and upper edge, in MFLOPs, of a bin drawn by its share."""
        place = int(rng.choice(len(self.probabilities), p=self.probabilities))
        return float(self.edges[place]), float(self.edges[place + 1])
