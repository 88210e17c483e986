"""What holds at a point of training."""

from abc import ABC, abstractmethod


class Schedule(ABC):
    """A pure function of the step, so that a resumed run goes on as it would have."""

    @abstractmethod
    def lr(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
