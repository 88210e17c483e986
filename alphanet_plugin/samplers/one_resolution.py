"""All archs of a step at one resolution."""

from __future__ import annotations

import numpy as np

from ..spaces import Arch, SearchSpace
from .sampler import BatchLosses, Sampler

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
