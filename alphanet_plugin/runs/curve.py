"""Accuracy of a supernet's smallest and largest subnets while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..evaluation import SubnetEvaluator
from ..supernet import Supernet
from ..training import JsonLinesLog, Trainer, random_states_kept, read_state
from .run_folder import RunFolder


class Curve:
    """Measures the two ends of a supernet while it is trained, and changes nothing in the training.

    In eval mode, with BatchNorm estimated anew; random numbers and the supernet's own mode are left as they are.

    Args:
        path: Where records are kept, one JSON object a line.
        supernet: What is trained.
        calibration_batches: Training images, for BatchNorm.
        evaluation_batches: Images to measure on.
        every: Steps between measurements.
        total_steps: Steps of the whole run; after the last one there is a measurement all the same.
        track: Given (top-1 by name, step) of each measurement.
    """

    def __init__(
        self,
        path: Path,
        supernet: Supernet,
        calibration_batches: Iterable[Any],
        evaluation_batches: Iterable[Any],
        every: int,
        total_steps: int,
        track: Callable[[dict[str, float], int], None] | None = None,
    ):
        self.log = JsonLinesLog(path)
        self.space = supernet.space
        self.evaluator = SubnetEvaluator(supernet, calibration_batches, evaluation_batches)
        self.every, self.total_steps, self.track = every, total_steps, track

    def rewind(self, checkpoint: Path | None) -> None:
        """Drop what a resumed run will measure again."""
        self.log.rewind(int(read_state(checkpoint)["step"]) if checkpoint else 0)

    def on_step(self, record: dict[str, Any]) -> None:
        """For `Trainer`: measure after the steps that are due."""
        done = int(record["step"]) + 1
        if done % self.every and done != self.total_steps:
            return
        with random_states_kept():
            ends = {"smallest": self.space.smallest(), "largest": self.space.largest()}
            measured = {name: asdict(self.evaluator(arch)) for name, arch in ends.items()}
        self.log.write({"step": int(record["step"]), **measured})
        if self.track:
            self.track({f"{name}_top1": metrics["top1"] for name, metrics in measured.items()}, int(record["step"]))

    def read(self, epochs: int) -> list[dict[str, Any]]:
        """``{"epoch", "smallest": metrics, "largest": metrics}`` of each measurement so far."""
        records = self.log.read() if self.log.path.exists() else []
        return [
            {"epoch": (record["step"] + 1) * epochs / self.total_steps,
             "smallest": record["smallest"], "largest": record["largest"]}
            for record in records
        ]  # fmt: skip


def open_curve(
    trainer: Trainer, supernet: Supernet, folder: RunFolder, batches: tuple[Iterable[Any], Iterable[Any]], epochs: int
) -> Curve:
    """The curve of a run that is about to train, or to go on.

    Args:
        trainer: Of the run.
        supernet: What it trains.
        folder: Of the run.
        batches: Training images for BatchNorm, and images to measure on, from `search_batches`.
        epochs: Between measurements.
    """

    def track(figures: dict[str, float], step: int) -> None:
        trainer.accelerator.log(figures, step=step)

    every = trainer.steps_per_epoch * epochs
    curve = Curve(folder.curve, supernet, *batches, every, trainer.total_steps, track)
    curve.rewind(trainer.checkpoint)
    return curve
