"""Linear warm-up, then a cosine, both by the step."""

import math
from dataclasses import dataclass

from .schedule import Schedule


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
