"""AttentiveNAS: the sandwich rule with its random archs taken from the best or the worst of their cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np

from ..spaces import Arch, SearchSpace
from .band import Band
from .sampler import BatchLosses, Sampler


class AttentiveSampler(Sampler):
    """The largest arch, then `num_random` attended ones, then the smallest (AttentiveNAS, CVPR 2021, section 4).

    For each attended arch a bin of MFLOPs is drawn from the space's own `FlopsPrior`, then `num_candidates` archs
    uniformly from that bin. BestUp trains the most promising of them and WorstUp the least: by their losses on the
    labels of the step's batch, as in the released program, or by a predictor, as in the paper.

    Args:
        space: The search space.
        num_random: How many attended archs.
        num_candidates: Of how many candidates each is taken (the k of BestUp-k and WorstUp-k).
        mode: ``best_up`` or ``worst_up``.
        predictor: Arch -> accuracy, or anything else of which more is better; None ranks by the batch's losses.
        bin_mflops: Width of the prior's bins.
        num_classes: Outputs of the classifier.
        seed: Together with the step it fixes the candidates; alone, the prior.

    Attributes:
        figures: ``accepted_share``, of the archs drawn for the last step's candidates the share that was in its bin
            (see `Band`: those outside are drawn again).
    """

    def __init__(
        self,
        space: SearchSpace,
        num_random: int = 2,
        num_candidates: int = 3,
        mode: Literal["best_up", "worst_up"] = "best_up",
        predictor: Callable[[Arch], float] | None = None,
        bin_mflops: float = 25.0,
        num_classes: int = 1000,
        seed: int = 0,
    ):
        if mode not in ("best_up", "worst_up"):
            raise ValueError(f"mode must be best_up or worst_up, not {mode!r}")
        if num_candidates < 1 or num_random < 0:
            raise ValueError(
                f"num_candidates must be at least 1 and num_random at least 0, not {num_candidates} and {num_random}"
            )
        self.space = space
        self.num_random = num_random
        self.num_candidates = num_candidates
        self.mode = mode
        self.predictor = predictor
        self.bin_mflops = bin_mflops
        self.num_classes = num_classes
        self.seed = seed
        self._ends = space.largest(), space.smallest()
        self._bands: dict[tuple[float, float], Band] = {}

    @cached_property
    def prior(self) -> FlopsPrior:
        """The prior of the bins; drawn when it is first needed."""
        return FlopsPrior(self.space, self.bin_mflops, seed=self.seed, num_classes=self.num_classes)

    def candidates(self, step: int) -> list[list[Arch]]:
        """For each attended arch of a step its candidates, all of one bin."""
        return self._draw(step)[0]

    def archs(self, step: int) -> list[Arch]:
        """The archs of a step by the predictor.

        Raises:
            ValueError: There is no predictor: which archs are trained depends on the step's batch, so ask `choose`.
        """
        if self.predictor is None:
            raise ValueError(
                "this sampler ranks by the losses on a step's batch: call choose(step, losses), or give a predictor"
            )
        return self.choose(step, lambda archs: [])  # noqa: ARG005  # the predictor ranks

    def choose(self, step: int, losses: BatchLosses) -> list[Arch]:
        groups, accepted_share = self._draw(step)
        self.figures = {"accepted_share": accepted_share}
        flat = [arch for group in groups for arch in group]
        if self.predictor is not None:
            scores = [-float(self.predictor(arch)) for arch in flat]
        else:
            scores = losses(flat) if flat else []
        # A loss that is not a number is no good one.
        table = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=np.inf).reshape(-1, self.num_candidates)
        chosen = table.argmin(axis=1) if self.mode == "best_up" else table.argmax(axis=1)
        largest, smallest = self._ends
        return [largest, *(group[number] for group, number in zip(groups, chosen, strict=True)), smallest]

    def _draw(self, step: int) -> tuple[list[list[Arch]], float]:
        """The candidates of a step, and the share of the archs drawn for them that was in its bin."""
        rng = np.random.default_rng((self.seed, step))
        groups = []
        drawn = accepted = 0
        for _ in range(self.num_random):
            band = self._band(*self.prior.sample(rng))
            drawn, accepted = drawn - band.drawn, accepted - band.accepted
            groups.append(self.space.from_values_batch(band.sample(self.num_candidates, rng)))
            drawn, accepted = drawn + band.drawn, accepted + band.accepted
        return groups, accepted / drawn if drawn else 1.0

    def _band(self, low: float, high: float) -> Band:
        if (low, high) not in self._bands:
            self._bands[low, high] = Band(self.space, low, high, self.num_classes)
        return self._bands[low, high]


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
