"""What a phase trains of a supernet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..losses import Objective
from ..samplers import LargestSampler, Sampler
from ..schedules import Phase, Ramp
from ..spaces import Arch
from .passes import Pass

FIRST = "first"
"""As the teacher: a step's first pass."""


@dataclass(frozen=True, kw_only=True)
class SupernetPhase(Phase):
    """Which archs a phase's steps train, what each learns, how much its gradient counts, and who teaches.

    Attributes:
        sampler: Which archs a step trains.
        first: What the first pass of a step learns.
        others: What its other passes learn.
        ramp: Of the gradients of all passes but the first; None for 1.
        drop: Passes in which dropout and stochastic depth act.
        teacher: ``first`` for the first pass of each step; else what the update's `Teachers` are asked for.
        foreign_teacher: Whether that is a network of another kind, of whose cost nothing is known here.
        keep_teacher: Whether a later phase learns from what this one has trained at its end.
        optimizer: Name of the optimiser.
        restart: Whether the optimiser begins anew.
        sort_channels: Stage of `sort_channels` at the phase's beginning; None for none.
        frozen: Ends of the names of parameters that do not learn.
    """

    sampler: Sampler
    first: Objective
    others: Objective
    ramp: Ramp | None = None
    drop: Literal["first", "all", "none"] = "first"
    teacher: str = FIRST
    foreign_teacher: bool = False
    keep_teacher: bool = False
    optimizer: str = "sgd"
    restart: bool = False
    sort_channels: int | None = None
    frozen: tuple[str, ...] = ()

    def scale(self, step: int) -> float:
        """Factor of the gradients of all passes but the first (DepS, epsilon); 0 where the largest trains alone."""
        if self.ramp is None:
            return 0.0 if isinstance(self.sampler, LargestSampler) else 1.0
        return self.ramp.scale(step)

    def passes(self, step: int, archs: Sequence[Arch]) -> list[Pass]:
        """The passes of a step that trains `archs`."""
        scale = self.scale(step)
        first, *others = archs
        return [
            Pass(first, self.first, drop=self.drop != "none"),
            *(Pass(arch, self.others, scale, drop=self.drop == "all") for arch in others),
        ]
