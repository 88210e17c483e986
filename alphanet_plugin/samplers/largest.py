"""The largest arch alone."""

from ..spaces import Arch, SearchSpace
from .sampler import Sampler


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
