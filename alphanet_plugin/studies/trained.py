"""The folder of a trained run: what is said of its training, and what is kept of it."""

from __future__ import annotations

import shutil
from typing import Any

from ..runs import RunFolder, TrainingCost, describe_machine, training_cost
from ..training import JsonLinesLog, latest_checkpoint

_RESUMING = ("optimizer.bin", "scheduler.bin", "sampler.bin", "scaler.pt")


def described(folder: RunFolder) -> dict[str, Any]:
    """Steps, seconds (of steps alone, those before a resumption included), cost, last loss, machine."""
    records = JsonLinesLog(folder.log).read()
    return {
        "steps": records[-1]["step"] + 1,
        "seconds": sum(record["seconds"] for record in records),
        "cost": sum(training_cost(folder).values(), TrainingCost()).to_dict(),
        "last_loss": records[-1]["loss"],
        "machine": describe_machine(),
    }


def tidy(folder: RunFolder, *, keep_weights: bool) -> None:
    """Of a finished run's checkpoints keep the last one's weights, or nothing."""
    latest = latest_checkpoint(folder.checkpoints)
    if not keep_weights or latest is None:
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
        return
    for path in folder.checkpoints.iterdir():
        if path != latest:
            shutil.rmtree(path, ignore_errors=True)
    for name in _RESUMING:
        (latest / name).unlink(missing_ok=True)
