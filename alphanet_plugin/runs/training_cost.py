"""What a run's training has cost, phase by phase, from its log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..atomic import write_text
from ..errors import CheckpointError
from ..nearest import path_hint
from ..training import JsonLinesLog, kept_batch, latest_checkpoint, read_state
from .accelerator import describe_machine
from .run_folder import RunFolder

_ONE_PHASE = "train"


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """The work of a phase, or of a whole run.

    Attributes:
        steps: Updates.
        epochs: Passes over the training images.
        images: Images that were trained on, each as often as it came.
        forwards: Forward passes of an image, teachers' included.
        backwards: Backward passes of an image.
        gmacs: Multiply-adds / 1e9: those of a forward pass, and twice as many for a backward one.
        seconds: Wall time of the steps.
        devices: Ranks.
    """

    steps: int = 0
    epochs: float = 0.0
    images: int = 0
    forwards: int = 0
    backwards: int = 0
    gmacs: float = 0.0
    seconds: float = 0.0
    devices: int = 1

    @property
    def device_hours(self) -> float:
        """Wall time times ranks, in hours."""
        return self.seconds * self.devices / 3600

    def __add__(self, other: TrainingCost) -> TrainingCost:
        mine, its = asdict(self), asdict(other)
        return TrainingCost(**{key: mine[key] + its[key] for key in mine if key != "devices"}, devices=other.devices)

    def to_dict(self, per_device_hour: float | None = None) -> dict[str, Any]:
        """Plain values; ``price`` too where a rate is given."""
        price = {} if per_device_hour is None else {"price": self.device_hours * per_device_hour}
        return {**asdict(self), "device_hours": self.device_hours, **price}


def training_cost(folder: RunFolder) -> dict[str, TrainingCost]:
    """What each phase of a run has cost so far, in their order; steps that were done twice count once.

    Raises:
        CheckpointError: The folder holds no run, or its log cannot be read.
    """
    if not folder.log.is_file():
        raise CheckpointError(f"{folder.path} holds no trained run{path_hint(folder.path)}; `alphanet train` makes one")
    latest = latest_checkpoint(folder.checkpoints)
    batch = kept_batch(latest, read_state(latest)) if latest else None
    devices = batch.processes if batch else 1
    epoch = batch.steps_per_epoch if batch and batch.num_images else 0
    costs: dict[str, TrainingCost] = {}
    for record in JsonLinesLog(folder.log).read():
        images = int(record.get("images", 0))
        name = record.get("phase", _ONE_PHASE)
        costs[name] = costs.get(name, TrainingCost()) + TrainingCost(
            steps=1,
            epochs=1 / epoch if epoch else 0.0,
            images=images,
            forwards=images * int(record.get("forwards", 0)),
            backwards=images * int(record.get("backwards", 0)),
            gmacs=float(record.get("gmacs", 0.0)),
            seconds=float(record.get("seconds", 0.0)),
            devices=devices,
        )
    return costs


def write_training_cost(folder: RunFolder, per_device_hour: float | None) -> None:
    """Keep the cost of a finished training and its machine beside it, as ``cost.json``."""
    costs = training_cost(folder)
    total = sum(costs.values(), TrainingCost())
    phases: Sequence[dict[str, Any]] = [{"phase": name, **one.to_dict(per_device_hour)} for name, one in costs.items()]
    content = {"phases": phases, "all": total.to_dict(per_device_hour), "machine": describe_machine()}
    write_text(folder.cost, json.dumps(content, indent=2))
