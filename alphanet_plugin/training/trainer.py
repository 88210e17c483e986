"""The training loop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from ..errors import CheckpointError, NonFiniteLossError
from ..schedules import Phase, Timeline
from .ahead import STEPS_BEHIND, Clock, on_device
from .checkpoints import Checkpoints, latest_checkpoint, step_of
from .log import JsonLinesLog
from .update import Update

Record = dict[str, Any]


class Trainer:
    """Steps from the last checkpoint to the end. It is given built objects and looks no name up.

    Every step depends on its number alone (images, learning rate, of a supernet the archs or what they are chosen from)
    and on the state that checkpoints hold (weights, optimiser, random states), so a killed run goes on with the very
    numbers that it would have had.

    On a GPU the host does not wait for a step: its record is written, and `on_step` called, `STEPS_BEHIND` steps later,
    and at once at the end of an epoch, at the end of a phase, and before a checkpoint.

    Args:
        accelerator: Accelerate's; it prepared what `update` holds.
        update: What a step does.
        timeline: The phases, with the learning rate of each step.
        batches: start step -> this rank's (images (B, C, H, W), labels (B,), whatever else `update` takes) of each step
            from there on.
        checkpoints: Where the state is kept.
        save_every: Steps between checkpoints; one is written at the end of every phase all the same.
        log: The JSON-lines log; written by the main rank.
        steps_per_epoch: Steps of an epoch.
        resume_from: The checkpoint to go on from; None for the newest of `checkpoints`.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator,
        update: Update,
        timeline: Timeline[Phase],
        batches: Callable[[int], Iterable[Sequence[Tensor]]],
        checkpoints: Checkpoints,
        save_every: int,
        log: JsonLinesLog,
        steps_per_epoch: int = 1,
        resume_from: Path | None = None,
    ):
        self.accelerator = accelerator
        self.update = update
        self.timeline = timeline
        self.batches = batches
        self.checkpoints = checkpoints
        self.save_every = save_every
        self.log = log
        self.steps_per_epoch = steps_per_epoch
        self.resume_from = resume_from
        self._on_step: Callable[[Record], None] | None = None
        self._behind = STEPS_BEHIND if accelerator.device.type == "cuda" else 0
        self._asked: deque[tuple[Record, Mapping[str, float], int, float]] = deque()
        self._clock = Clock()

    def run(self, on_step: Callable[[Record], None] | None = None) -> None:
        """Train to the end.

        Args:
            on_step: Called with each step's record by the main rank.

        Raises:
            NonFiniteLossError: A loss is not finite. The weights of the step before are untouched; on a GPU those of
                the last checkpoint are.
            CheckpointError: A checkpoint cannot be written or read.
        """
        self._on_step = on_step
        start = self._resume()
        if start >= self.total_steps:
            return
        self.update.model.train()
        batches = on_device(self.batches(start), self.accelerator.device)
        for step, batch in zip(range(start, self.total_steps), batches, strict=False):
            phase = self.timeline.at(step)
            if step in (start, phase.steps.start):
                self.update.enter(phase, begins=step == phase.steps.start)
            self._step(step, *batch)
            ends = step + 1 == phase.steps.stop
            saves = ends or (step + 1) % self.save_every == 0
            if saves or (step + 1) % self.steps_per_epoch == 0:
                self._record(behind=0)
            if ends:
                self.update.leave(phase)
            if saves:
                self.checkpoints.save(step + 1)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.timeline.total_steps

    @property
    def checkpoint(self) -> Path | None:
        """Where `run` goes on from; None where it begins."""
        return self.resume_from or latest_checkpoint(self.checkpoints.folder)

    def check(self) -> None:
        """Whether `run` can go on from where it would; called by every rank, before the run's folder is written to.

        Raises:
            CheckpointError: The checkpoint is damaged, or of a step that the run does not have.
            ConfigError: Its steps took another number of images.
        """
        latest = self.checkpoint
        if latest is None:
            return
        self.checkpoints.check(latest)
        if step_of(latest) > self.total_steps:
            raise CheckpointError(
                f"checkpoint {latest} is of step {step_of(latest)}, but the run has {self.total_steps} steps; "
                f"delete {latest} to go on from the one before"
            )

    def _resume(self) -> int:
        self.check()
        latest = self.checkpoint
        if latest:
            self.update.expect(self.timeline.at(step_of(latest) - 1))
        start = self.checkpoints.load(latest) if latest else 0
        if self.accelerator.is_main_process:
            self.log.rewind(start)
        return start

    def _step(self, step: int, images: Tensor, *others: Tensor) -> None:
        began = time.perf_counter()
        lr = self.timeline.lr(step)
        for group in self.update.optimizer.param_groups:
            group["lr"] = lr
        phase = {"phase": self.timeline.at(step).name} if len(self.timeline.phases) > 1 else {}
        figures = self._figures(step, lambda: self.update.step(step, images, *others))
        if self._behind == 0:
            self._figures(step, lambda: dict(figures))
        self.update.apply()
        self._asked.append(({"step": step, **phase, "lr": lr}, figures, len(images), began))
        self._record(self._behind)

    def _record(self, behind: int) -> None:
        """Write down the steps that are done, but for the last so many."""
        while len(self._asked) > behind:
            record, figures, images, began = self._asked.popleft()
            read = self._figures(record["step"], lambda figures=figures: dict(figures))
            record |= {**read, "images": images * self.accelerator.num_processes, "seconds": self._clock.seconds(began)}
            if self.accelerator.is_main_process:
                self._write(record)

    def _write(self, record: Record) -> None:
        self.log.write(record)
        if self._on_step:
            self._on_step(record)
        self.accelerator.log({k: v for k, v in record.items() if k not in ("step", "phase")}, step=record["step"])

    def _figures(self, step: int, ask: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
        try:
            return ask()
        except NonFiniteLossError as error:
            raise NonFiniteLossError(f"{error}; {self._way_out(step)}") from error

    def _way_out(self, step: int) -> str:
        """What to do where a loss is not finite; another rate does not mend weights that give it at once."""
        latest = self.checkpoint
        if latest is not None and step_of(latest) == step:
            return (
                f"the weights of {latest} give it at once, at any rate. Look at the images of that step and run the "
                "same command again to resume, go on from an earlier checkpoint by adding --resume-from CHECKPOINT, or "
                "train anew under a lower rate by adding --set output=... --set training.lr=..."
            )
        return (
            f"{self.checkpoints.describe_latest()}. Look at the images of that step and run the same command again to "
            "resume, or go on under another rate by adding --resume-from CHECKPOINT --set training.lr=..."
        )
