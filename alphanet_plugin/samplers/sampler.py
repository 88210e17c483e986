"""Which archs a step trains."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..spaces import Arch, SearchSpace

# Archs -> the loss of each on the labels of the step's batch, averaged over the ranks; nothing is trained.
BatchLosses = Callable[[Sequence[Arch]], list[float]]


class Sampler(ABC):
    """A pure function of the step, so that every rank, and a resumed run, trains the same archs.

    Attributes:
        figures: What the last step's choice has to say for the log, by name.
    """

    figures: Mapping[str, float] = {}

    @abstractmethod
    def archs(self, step: int) -> list[Arch]:
        """The archs of a step: first the teacher, which learns from the labels, then its students."""

    def choose(self, step: int, losses: BatchLosses) -> list[Arch]:  # noqa: ARG002
        """The archs of a step, chosen with its batch at hand: those of `archs` unless the sampler looks at losses.

        A pure function of the step and of the losses, which are the same on every rank.
        """
        return self.archs(step)


class LargestSampler(Sampler):
    """One arch in every step, the space's largest: plain training of one network.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace):
        self.space = space
        self._largest = [space.largest()]

    def archs(self, step: int) -> list[Arch]:  # noqa: ARG002
        return list(self._largest)


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


_STREAM = 1  # apart from what the sampler draws of the same step


class OneResolution(Sampler):
    """Another sampler's archs, but all of a step at one resolution, drawn uniformly for the step (once-for-all).

    Args:
        sampler: Of a space with a resolution.
        space: That space.
        seed: Together with the step it fixes the resolution.
    """

    def __init__(self, sampler: Sampler, space: SearchSpace, seed: int = 0):
        self.sampler, self.space, self.seed = sampler, space, seed
        (gene,) = (gene for gene in space.genes if gene.field == "resolution")
        self._choices = gene.choices

    @property
    def figures(self):  # type: ignore[override]
        return self.sampler.figures

    def archs(self, step: int) -> list[Arch]:
        return self._at_one(step, self.sampler.archs(step))

    def choose(self, step: int, losses: BatchLosses) -> list[Arch]:
        return self._at_one(step, self.sampler.choose(step, losses))

    def _at_one(self, step: int, archs: list[Arch]) -> list[Arch]:
        drawn = np.random.default_rng((self.seed, step, _STREAM)).integers(len(self._choices))
        resolution = self._choices[drawn]
        return [self.space.validate({**arch.to_dict(), "resolution": resolution}) for arch in archs]
