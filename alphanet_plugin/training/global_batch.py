"""The images of one update: what a step of a run means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class GlobalBatch:
    """How many images an update takes, and of how many.

    A run is resumed only where an update takes as many as before: each global batch is then the same set of images,
    however many ranks and micro-batches share it, and steps go on being counted in the same unit.

    Attributes:
        batch_size: Images of a micro-batch, which is one forward of a rank.
        accumulate: Micro-batches of a rank in an update.
        processes: Ranks.
        num_images: Training images; None where a checkpoint of an earlier version does not say.
    """

    batch_size: int
    accumulate: int = 1
    processes: int = 1
    num_images: int | None = None

    @property
    def images(self) -> int:
        """Of one update, all ranks together."""
        return self.batch_size * self.accumulate * self.processes

    @property
    def steps_per_epoch(self) -> int:
        """Updates of an epoch; what is left over is dropped."""
        assert self.num_images is not None
        return max(1, self.num_images // self.images)

    @property
    def lr_scale(self) -> int:
        """Factor of the learning rate, which is one of 256 images."""
        return max(1, self.images // 256)

    @classmethod
    def from_dict(cls, values: Any) -> GlobalBatch:
        """From its fields; ValueError unless it is that."""
        names = tuple(cls.__dataclass_fields__)
        if not isinstance(values, dict) or sorted(values) != sorted(names):
            raise ValueError(f"batch must hold {', '.join(names)}, not {values!r:.80}")
        for name in names:
            if type(values[name]) is not int or values[name] < 1:
                raise ValueError(f"batch.{name} must be a number from 1, not {values[name]!r:.80}")
        return cls(**values)

    def check_same(self, before: GlobalBatch, where: Path, *, fewer: bool = False) -> None:
        """ConfigError, with what to do, unless a run with the batches of `before` can go on with these.

        Args:
            before: Of the checkpoint.
            where: The checkpoint.
            fewer: Accept that training images are gone: epochs are shorter from here on, and differ in their order.
        """
        if before.images != self.images:
            raise ConfigError(
                f"{where} was trained with {before}, and this would be {self}: steps would mean something else. "
                f"{self._advice(before)}"
            )
        if before.num_images is None or self.num_images is None or before.num_images == self.num_images:
            return
        if not (fewer and self.num_images < before.num_images):
            raise ConfigError(
                f"{where} was trained on {before.num_images} images, and now there are {self.num_images}: others would "
                "come in each step. Put the training images back as they were, choose another output, or, where some "
                "are gone, go on without them by data.on_change=accept"
            )

    def __str__(self) -> str:
        ranks = f"{self.processes} process{'es' if self.processes > 1 else ''}"
        parts = f" x {self.accumulate} batches" if self.accumulate > 1 else ""
        return f"{ranks}{parts} x {self.batch_size} images = {self.images} an update"

    def _advice(self, before: GlobalBatch) -> str:
        start = f"start {before.processes} process{'es' if before.processes > 1 else ''}"
        again = f"{start} with training.batch_size={before.batch_size} and training.accumulate={before.accumulate}"
        share, left = divmod(before.images, self.processes * self.accumulate)
        return f"Set training.batch_size={share}, or {again}" if share > 1 and not left else again.capitalize()
