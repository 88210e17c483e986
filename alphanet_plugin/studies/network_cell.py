"""Runs that train one network, from labels or from a fixed teacher too."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import runs
from ..config import NetworkRunConfig, StudyConfig
from ..errors import ConfigError
from ..runs import RunFolder
from ..training import Trainer
from .cell_kind import TRAINED, Advance, CellFile, CellKind, CellOutcome, described, tidy
from .grid import Cell, with_root

_COLUMN = "top-1"


class NetworkCell(CellKind):
    """Train a network and measure it on the test images."""

    schema = NetworkRunConfig

    def identity(self, config: NetworkRunConfig) -> dict[str, Any]:
        return with_root(runs.network_identity(config), config.data.root)

    def complete(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        return with_root(runs.complete_network_identity(kept), kept["data"].get("root"))

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
        def watch(trainer: Trainer) -> runs.OnStep:
            if trainer.accelerator.is_main_process:
                file.write(total_steps=trainer.total_steps)
            return lambda record: advance(int(record["step"]) + 1, trainer.total_steps)

        runs.forget_accelerator()
        metrics = runs.run_network(config, watch=watch)
        if runs.is_main_rank():
            folder = RunFolder(Path(config.output))
            file.write(**{TRAINED: {**described(folder), "metrics": metrics}})

    def finish(self, cell: Cell, study: StudyConfig, file: CellFile, advance: Advance) -> None:  # noqa: ARG002
        folder = RunFolder(cell.folder)
        shutil.rmtree(folder.teacher_logits, ignore_errors=True)
        tidy(folder, keep_weights=False)  # the weights are in the folder `model`
        if not study.keep_weights and not cell.teaches:
            shutil.rmtree(folder.model, ignore_errors=True)
