"""The factor by which students' gradients grow from almost nothing to their own size."""

from dataclasses import dataclass
from typing import Literal

from .schedule import Schedule


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
