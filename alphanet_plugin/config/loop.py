"""What every training run says of its loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .identity import free, left_open
from .require import require


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """The keys that the training of a supernet and of one network have in common.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images of each rank in one forward, at least 2, for BatchNorm.
        accumulate: Such batches of each rank whose gradients add up to one update, with one synchronisation: for
            GPUs that have no room for a larger ``batch_size``. BatchNorm takes its statistics of each by itself. A step
            is an update, in epochs, schedules, the log and ``save_every``. None for what `accelerate launch` says, and
            else 1.
        lr: Learning rate for 256 images an update; multiplied by max(1, images of all ranks' updates // 256).
        warmup_epochs: Linear warm-up, from a thousandth of the rate.
        momentum: Of SGD with Nesterov's correction.
        weight_decay: On convolution and linear weights; none on norms and biases.
        label_smoothing: Of the cross entropy on labels.
        clip_value: Each gradient's entries are clipped to plus or minus this; None for no clipping.
        save_every: Steps between checkpoints; one is written at the end all the same.
        keep_checkpoints: How many of the newest checkpoints stay.
        mixed_precision: ``no``, ``bf16`` or ``fp16``; None for what `accelerate launch` says, and else ``no``.
        tracker: Any tracker of Accelerate by name, such as ``tensorboard``; None for the JSON-lines log alone.
    """

    epochs: int = 360
    batch_size: int = 32
    accumulate: int | None = left_open(means=1)
    lr: float = 0.1
    warmup_epochs: int = 5
    momentum: float = 0.9
    weight_decay: float = 1e-5
    label_smoothing: float = 0.1
    clip_value: float | None = 1.0
    save_every: int = free(1000)
    keep_checkpoints: int = free(2)
    mixed_precision: Literal["no", "bf16", "fp16"] | None = left_open(means="no")
    tracker: str | None = free(None)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "save_every", "keep_checkpoints"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, not {value}")
        require(
            self.batch_size >= 2,
            "batch_size must be at least 2, not 1: BatchNorm cannot train on one image in a forward, whatever "
            "accumulate is; give 2 or more",
        )
        require(self.lr > 0, f"lr must be above 0, not {self.lr}")
        require(self.weight_decay >= 0, f"weight_decay must be 0 or more, not {self.weight_decay}")
        require(
            0 <= self.warmup_epochs <= self.epochs,
            f"warmup_epochs must be from 0 to epochs ({self.epochs}), not {self.warmup_epochs}",
        )
        require(self.clip_value is None or self.clip_value > 0, f"clip_value must be above 0, not {self.clip_value}")
        check_shares(self, "momentum", "label_smoothing")


def check_shares(config: object, *names: str) -> None:
    """ValueError unless each of these fields lies in [0, 1)."""
    for name in names:
        require(0 <= getattr(config, name) < 1, f"{name} must be at least 0 and below 1, not {getattr(config, name)}")
