"""Learning rates of phases."""

import math
from dataclasses import dataclass
from typing import Literal

from .schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class PhaseRate(Schedule):
    """A linear warm-up, then a cosine, an exponential or a constant, never below a floor.

    The warm-up reaches the peak with its last step, as once-for-all's does; `WarmupCosine`, AlphaNet's, one step later.

    Attributes:
        peak: The rate after the warm-up.
        steps: The steps that it is for, the warm-up included.
        form: ``cosine`` to 0 at the end, ``exponential``, or ``constant``.
        warmup_steps: Steps of the warm-up.
        warmup_start: Share of `peak` that the warm-up begins at.
        length: Steps of the whole curve, where `steps` are only its beginning; None where they are all of it.
        floor: Share of `peak` that it does not fall below after the warm-up.
        decay: ``exponential``: the factor by which it falls ...
        decay_steps: ... in so many steps, ...
        stair_steps: ... all at once at the beginning of every so many steps, such as an epoch's; 0 for at every step.
    """

    peak: float
    steps: range
    form: Literal["cosine", "exponential", "constant"] = "cosine"
    warmup_steps: int = 0
    warmup_start: float = 0.0
    length: int | None = None
    floor: float = 0.0
    decay: float = 0.97
    decay_steps: float = 1.0
    stair_steps: int = 0

    def __post_init__(self) -> None:
        if not self.steps or not 0 <= self.warmup_steps <= len(self.steps):
            raise ValueError(f"need 0 <= warmup_steps <= steps >= 1, got {self.warmup_steps} of {len(self.steps)}")

    def lr(self, step: int) -> float:
        """The learning rate of a step of the run; before the first of `steps` as there, after the last as there."""
        step = min(max(step - self.steps.start, 0), len(self.steps) - 1)
        if step < self.warmup_steps:
            return self.peak * (self.warmup_start + (1 - self.warmup_start) * (step + 1) / self.warmup_steps)
        return self.peak * max(self.floor, self._share(step - self.warmup_steps))

    def _share(self, step: int) -> float:
        """Share of the peak, of a step counted from the warm-up's end."""
        if self.form == "cosine":
            return 0.5 * (1 + math.cos(math.pi * step / ((self.length or len(self.steps)) - self.warmup_steps)))
        if self.form == "exponential":
            fallen = step - step % self.stair_steps if self.stair_steps else step
            return self.decay ** (fallen / self.decay_steps)
        return 1.0
