"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from ..errors import NonFiniteLossError
from ..samplers import Sampler
from ..schedules import Schedule
from ..spaces import Arch
from .checkpoints import Checkpoints, latest_checkpoint
from .log import JsonLinesLog
from .update import SupernetUpdate

Record = dict[str, Any]


class Trainer:
    """Steps from the last checkpoint to the end. It is given built objects and looks no name up.

    Every step depends on its number alone (images, learning rate, archs or what they are chosen from) and on the state
    that checkpoints hold (weights, optimiser, random states), so a killed run goes on with the very numbers that it
    would have had.

    Args:
        accelerator: Accelerate's; it prepared what `update` holds.
        update: One update of the supernet.
        sampler: Which archs a step trains.
        schedule: The learning rate of a step.
        batches: start step -> this rank's (images (B, C, H, W), labels (B,)) of each step from there on.
        total_steps: Steps of the whole run.
        checkpoints: Where the state is kept.
        save_every: Steps between checkpoints.
        log: The JSON-lines log; written by the main rank.
        on_step: Called with each step's record by the main rank, for progress bars.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator,
        update: SupernetUpdate,
        sampler: Sampler,
        schedule: Schedule,
        batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
        total_steps: int,
        checkpoints: Checkpoints,
        save_every: int,
        log: JsonLinesLog,
        on_step: Callable[[Record], None] | None = None,
    ):
        self.accelerator = accelerator
        self.update = update
        self.sampler = sampler
        self.schedule = schedule
        self.batches = batches
        self.total_steps = total_steps
        self.checkpoints = checkpoints
        self.save_every = save_every
        self.log = log
        self.on_step = on_step

    def run(self) -> None:
        """Train to the end.

        Raises:
            NonFiniteLossError: A loss is not finite; the weights of the step before are untouched.
            CheckpointError: A checkpoint cannot be written or read.
        """
        start = self._resume()
        if start >= self.total_steps:
            return
        self.update.model.train()
        for step, (images, labels) in zip(range(start, self.total_steps), self.batches(start), strict=False):
            self._step(step, images, labels)
            if (step + 1) % self.save_every == 0 or step + 1 == self.total_steps:
                self.checkpoints.save(step + 1)

    def _resume(self) -> int:
        latest = latest_checkpoint(self.checkpoints.folder)
        start = self.checkpoints.load(latest) if latest else 0
        if self.accelerator.is_main_process:
            self.log.rewind(start)
        return start

    def _step(self, step: int, images: Tensor, labels: Tensor) -> None:
        began = time.perf_counter()
        lr = self.schedule.lr(step)
        for group in self.update.optimizer.param_groups:
            group["lr"] = lr
        device = self.accelerator.device
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        labels = labels.to(device, non_blocking=True)
        archs = self.sampler.choose(step, partial(self.update.batch_losses, images, labels))
        losses = self.update.accumulate(images, labels, archs).tolist()
        self._check(step, archs, losses)
        self.update.apply()
        if self.accelerator.is_main_process:
            record = {
                "step": step,
                "lr": lr,
                "loss": losses[0],
                "kd_loss": sum(losses[1:]) / max(1, len(losses) - 1),
                "kd_loss_smallest": losses[-1],
                **self.sampler.figures,
                "images": len(images) * self.accelerator.num_processes,
                "seconds": time.perf_counter() - began,
            }
            self.log.write(record)
            if self.on_step:
                self.on_step(record)
            self.accelerator.log({k: v for k, v in record.items() if k != "step"}, step=step)

    def _check(self, step: int, archs: list[Arch], losses: list[float]) -> None:
        for arch, loss in zip(archs, losses, strict=True):
            if not math.isfinite(loss):
                raise NonFiniteLossError(
                    f"the loss is {loss} at step {step} for arch {arch}; {self.checkpoints.describe_latest()}. "
                    "Lower training.lr or look at the images of that step, then run the same command again to resume"
                )
