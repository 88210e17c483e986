"""Training curves of a supernet's smallest and largest subnets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..evaluation import SubnetEvaluator
from ..supernet import Supernet
from ..training import JsonLinesLog, random_states_kept, read_state


class Curve:
    """Measures the two ends of a supernet while it is trained, and changes nothing in the training.

    Args:
        path: Where records are kept, one JSON object a line.
        supernet: What is trained.
        calibration_batches: Training images, for BatchNorm.
        evaluation_batches: Images to measure on.
        every: Steps between measurements.
        total_steps: Steps of the whole run; after the last one there is a measurement all the same.
    """

    def __init__(
        self,
        path: Path,
        supernet: Supernet,
        calibration_batches: Iterable[Any],
        evaluation_batches: Iterable[Any],
        every: int,
        total_steps: int,
    ):
        self.log = JsonLinesLog(path)
        self.space = supernet.space
        self.evaluator = SubnetEvaluator(supernet, calibration_batches, evaluation_batches)
        self.every, self.total_steps = every, total_steps

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

    def read(self, epochs: int) -> list[dict[str, Any]]:
        """``{"epoch", "smallest": metrics, "largest": metrics}`` of each measurement so far."""
        records = self.log.read() if self.log.path.exists() else []
        return [
            {"epoch": (record["step"] + 1) * epochs / self.total_steps,
             "smallest": record["smallest"], "largest": record["largest"]}
            for record in records
        ]  # fmt: skip
