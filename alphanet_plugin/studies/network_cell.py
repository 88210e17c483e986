"""Runs that train one network, from labels or from a fixed teacher too."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import runs
from ..config import NetworkRunConfig, StudyConfig, from_dict
from ..errors import ConfigError
from ..runs import RunFolder
from ..training import Trainer
from .cell_file import CellFile
from .cell_kind import TRAINED, Advance, CellKind, CellOutcome
from .grid import Cell
from .trained import described, tidy

_COLUMN = "top-1"


class NetworkCell(CellKind):
    """Train a network and measure it on the test images."""

    schema = NetworkRunConfig

    def identity(self, config: NetworkRunConfig) -> dict[str, Any]:
        identity = runs.network_identity(config)
        return {**identity, "data": {**identity["data"], "root": config.data.root}}

    def complete(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self.identity(from_dict(NetworkRunConfig, {**identity, "output": ""}))
        except ConfigError:  # a key that is no more, or a value that is no longer allowed
            return dict(identity)

    def check(self, cell: Cell, study: StudyConfig) -> None:
        for key in ("random_subnets", "search", "curve_epochs"):
            if getattr(study, key):
                raise ConfigError(f"{key} is of supernets; a study of kind network has none")
        if cell.measure:
            raise ConfigError("measure names subnets of a supernet; a run of kind network has one network")

    def outcome(self, cell: Cell, study: StudyConfig, file: CellFile) -> CellOutcome | None:  # noqa: ARG002
        if TRAINED not in file.parts:
            return None
        trained = file.parts[TRAINED]
        metrics = {
            name: trained["metrics"][f"test_{name}"]
            for name in ("top1", "top5", "loss", "count")
            if f"test_{name}" in trained["metrics"]
        }
        return CellOutcome(columns={_COLUMN: metrics}, seconds=trained["seconds"])

    def train(self, config: NetworkRunConfig, curve_epochs: int | None, file: CellFile, advance: Advance) -> None:  # noqa: ARG002
        trainers: list[Trainer] = []

        def on_start(trainer: Trainer) -> None:
            trainers.append(trainer)
            if trainer.accelerator.is_main_process:
                file.write(total_steps=trainer.total_steps)

        def on_step(record: dict[str, Any]) -> None:
            advance(int(record["step"]) + 1, trainers[0].total_steps)

        runs.forget_accelerator()
        metrics = runs.run_network(config, on_step, on_start=on_start)
        if not trainers or trainers[0].accelerator.is_main_process:
            folder = RunFolder(Path(config.output))
            file.write(**{TRAINED: {**described(folder, trainers[0] if trainers else None), "metrics": metrics}})

    def finish(self, cell: Cell, study: StudyConfig, file: CellFile, advance: Advance) -> None:  # noqa: ARG002
        folder = RunFolder(cell.folder)
        shutil.rmtree(folder.teacher_logits, ignore_errors=True)
        tidy(folder, keep_weights=False)  # the weights are in the folder `model`
        if not study.keep_weights and not cell.teaches:
            shutil.rmtree(folder.model, ignore_errors=True)
