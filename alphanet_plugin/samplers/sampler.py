"""Which archs a step trains."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from ..spaces import Arch

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
