"""Accuracy of a supernet's smallest and largest subnets while it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..evaluation import SubnetEvaluator
from ..supernet import Supernet
from ..training import JsonLinesLog, Trainer, random_states_kept, read_state
from .run_folder import RunFolder


class Curve:
    """Measures the two ends of a supernet while it is trained, and changes nothing in the training.

    In eval mode, with BatchNorm estimated anew; random numbers and the supernet's own mode are left as they are. What
    a resumed run will measure again is dropped. Trackers get the top-1 accuracies.

    Args:
        trainer: Of a run that is about to train, or to go on.
        supernet: What it trains.
        folder: Of the run.
        batches: Training images for BatchNorm, and images to measure on, from `search_batches`.
        epochs: Between measurements; after the last step there is one all the same.
    """

    def __init__(
        self,
        trainer: Trainer,
        supernet: Supernet,
        folder: RunFolder,
        batches: tuple[Iterable[Any], Iterable[Any]],
        epochs: int,
    ):
        self.log, self.accelerator = JsonLinesLog(folder.curve), trainer.accelerator
        self.ends = {"smallest": supernet.space.smallest(), "largest": supernet.space.largest()}
        self.evaluator = SubnetEvaluator(supernet, *batches)
        self.every, self.total_steps = trainer.steps_per_epoch * epochs, trainer.total_steps
        self.log.rewind(int(read_state(trainer.checkpoint)["step"]) if trainer.checkpoint else 0)

    def on_step(self, record: dict[str, Any]) -> None:
        """For `Trainer`: measure after the steps that are due."""
        step = int(record["step"])
        if (step + 1) % self.every and step + 1 != self.total_steps:
            return
        with random_states_kept():
            measured = {name: asdict(self.evaluator(arch)) for name, arch in self.ends.items()}
        self.log.write({"step": step, **measured})
        self.accelerator.log({f"{name}_top1": metrics["top1"] for name, metrics in measured.items()}, step=step)


def read_curve(folder: RunFolder, steps_per_epoch: float) -> list[dict[str, Any]]:
    """``{"epoch", "smallest": metrics, "largest": metrics}`` of each measurement so far."""
    records = JsonLinesLog(folder.curve).read() if folder.curve.is_file() else []
    return [
        {"epoch": (record["step"] + 1) / steps_per_epoch, **{end: record[end] for end in ("smallest", "largest")}}
        for record in records
    ]
