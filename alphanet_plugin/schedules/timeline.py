"""A run as phases on one clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from .rate import Schedule


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of a run's steps.

    Attributes:
        name: Of the phase.
        steps: Its steps.
        rate: The learning rate.
    """

    name: str
    steps: range
    rate: Schedule


AnyPhase = TypeVar("AnyPhase", bound=Phase, covariant=True)


@dataclass(frozen=True)
class Timeline(Schedule, Generic[AnyPhase]):
    """The phases of a run in their order.

    Attributes:
        phases: Each begins where the one before ends; the first at step 0.

    Raises:
        ValueError: They do not.
    """

    phases: Sequence[AnyPhase]

    def __post_init__(self) -> None:
        ends = [0, *(phase.steps.stop for phase in self.phases)]
        for phase, start in zip(self.phases, ends, strict=False):
            if phase.steps.start != start or not phase.steps:
                raise ValueError(f"phase {phase.name} has steps {phase.steps}; it begins at {start} and has some")

    @property
    def total_steps(self) -> int:
        """Steps of the run."""
        return self.phases[-1].steps.stop

    @cached_property
    def _starts(self) -> list[int]:
        return [phase.steps.start for phase in self.phases]

    def at(self, step: int) -> AnyPhase:
        """The phase of a step; after the end the last one."""
        return self.phases[max(0, bisect_right(self._starts, step) - 1)]

    def lr(self, step: int) -> float:
        """The learning rate of a step."""
        return self.at(step).rate.lr(step)
