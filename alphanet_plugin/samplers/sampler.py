"""Which archs a step trains."""

from abc import ABC, abstractmethod

from ..spaces import Arch


class Sampler(ABC):
    """A pure function of the step, so that every rank, and a resumed run, trains the same archs."""

    @abstractmethod
    def archs(self, step: int) -> list[Arch]:
        """The archs of a step: first the teacher, which learns from the labels, then its students."""
