"""Learning rates, and the scale of gradients, at a point of training."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal


class Schedule(ABC):
    """A pure function of the step, so that a resumed run goes on as it would have."""

    @abstractmethod
    def lr(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""


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


@dataclass(frozen=True, kw_only=True)
class WarmupCosine(Schedule):
    """Linear from `warmup_start` x `base_lr` in `warmup_steps`, then a cosine to `final_lr` at `total_steps`.

    The AlphaNet paper's (appendix B) where `final_lr` is 0.

    Attributes:
        base_lr: The rate after the warm-up.
        total_steps: Steps of the whole training, warm-up included.
        warmup_steps: Steps of the warm-up.
        warmup_start: Share of `base_lr` at step 0.
        final_lr: The rate that the cosine ends at.
    """

    base_lr: float
    total_steps: int
    warmup_steps: int = 0
    warmup_start: float = 0.001
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_steps <= self.total_steps or self.total_steps < 1:
            raise ValueError(f"need 0 <= warmup_steps <= total_steps >= 1, got {self.warmup_steps}, {self.total_steps}")

    def lr(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.base_lr * (self.warmup_start + (1 - self.warmup_start) * step / self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.final_lr + (self.base_lr - self.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """Epsilon of DepS (section 4.2): from `first` to 1 over `steps`, 1 from there on.

    Attributes:
        steps: The steps over which it grows; the last of them has 1 (``linear``).
        first: Its value at the first of them; None for the first of equal increments, 1 / len(steps).
        form: ``linear``, which is the paper's "constant amount"; or ``released``, where epsilon times the learning rate
            grows linearly, to the rate that holds an epoch after the ramp, and epsilon then jumps to 1.
        rate: The run's learning rate, for ``released``.
        steps_per_epoch: For ``released``.
    """

    steps: range
    first: float | None = None
    form: Literal["linear", "released"] = "linear"
    rate: Schedule | None = None
    steps_per_epoch: int = 1

    def scale(self, step: int) -> float:
        """Epsilon of a step of the run; before the ramp as at its first step."""
        if step >= self.steps.stop:
            return 1.0
        done, count = max(step - self.steps.start, 0), len(self.steps)
        if self.form == "released":
            assert self.rate is not None
            at_end = self.rate.lr(self.steps.stop + self.steps_per_epoch)
            return (done + 1) / count * at_end / self.rate.lr(max(step, self.steps.start))
        first = 1 / count if self.first is None else self.first
        return 1.0 if count == 1 else first + (1 - first) * done / (count - 1)
