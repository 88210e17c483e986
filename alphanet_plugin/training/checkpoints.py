"""Checkpoints of a run: whole or absent, the last good one never touched."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from ..atomic import commit_folder
from ..errors import CheckpointError

_NAME = re.compile(r"step_(\d{8})")
_STATE = "run.json"
_WEIGHTS = "model.safetensors"


class Checkpoints:
    """The checkpoints below one folder, ``step_00001000/`` and so on, in Accelerate's format.

    Args:
        accelerator: Whose prepared model, optimiser and random states are saved.
        folder: Where.
        keep: How many of the newest stay.
        identity: What must be equal for a checkpoint to be resumed (JSON values), such as the run's configuration.
    """

    def __init__(self, accelerator: Accelerator, folder: Path, *, keep: int = 2, identity: Any = None):
        self.accelerator = accelerator
        self.folder = folder
        self.keep = keep
        self.identity = identity
        # Under DDP Accelerate would save and expect names with its "module." prefix.
        accelerator.register_save_state_pre_hook(_save_plain_names)
        accelerator.register_load_state_pre_hook(self._load_plain_names)

    def save(self, step: int) -> Path:
        """Write the state after `step` steps; called by every rank.

        Raises:
            CheckpointError: It could not be written, or the weights are not finite. What was there is still there.
        """
        self._check_finite()
        path = self.folder / f"step_{step:08d}"
        beside = self.folder / f".{path.name}.tmp"
        main = self.accelerator.is_main_process
        try:
            if main:
                shutil.rmtree(beside, ignore_errors=True)
                beside.mkdir(parents=True)
            self.accelerator.wait_for_everyone()
            self.accelerator.save_state(str(beside))
            self.accelerator.wait_for_everyone()
            if main:
                (beside / _STATE).write_text(json.dumps({"step": step, "identity": self.identity}), encoding="utf-8")
                commit_folder(beside, path)
                self._prune()
            self.accelerator.wait_for_everyone()
        except Exception as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise CheckpointError(f"cannot write checkpoint {path}: {error}; {self.describe_latest()}") from error
        return path

    def load(self, path: Path) -> int:
        """Restore model, optimiser and random states; returns the step to go on with.

        Raises:
            CheckpointError: It cannot be read.
        """
        state = read_state(path)
        try:
            self.accelerator.load_state(str(path))
        except Exception as error:
            raise CheckpointError(
                f"cannot read checkpoint {path}: {error}; delete that folder to go on from the one before"
            ) from error
        return int(state["step"])

    def describe_latest(self) -> str:
        """A clause for error messages that names the last good checkpoint."""
        latest = latest_checkpoint(self.folder)
        return f"the last good checkpoint is {latest}" if latest else f"there is no checkpoint in {self.folder}"

    def _check_finite(self) -> None:
        for model in self.accelerator._models:
            for name, parameter in model.named_parameters():
                if not torch.isfinite(parameter).all():
                    raise CheckpointError(f"weight {name} is not finite, not saved; {self.describe_latest()}")

    def _prune(self) -> None:
        for path in list_checkpoints(self.folder)[: -self.keep]:
            shutil.rmtree(path, ignore_errors=True)

    def _load_plain_names(self, models: list[torch.nn.Module], folder: str) -> None:
        while models:
            self.accelerator.unwrap_model(models.pop()).load_state_dict(load_file(Path(folder) / _WEIGHTS))


def _save_plain_names(models: list[torch.nn.Module], weights: list[dict[str, Any]], folder: str) -> None:  # noqa: ARG001
    # safetensors takes no channels_last tensors.
    weights[:] = [
        {name.removeprefix("module."): value.contiguous() for name, value in state.items()} for state in weights
    ]


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints below a folder, oldest first."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if _NAME.fullmatch(path.name) and (path / _STATE).is_file())


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint below a folder."""
    paths = list_checkpoints(folder)
    return paths[-1] if paths else None


def read_state(path: Path) -> dict[str, Any]:
    """A checkpoint's step and identity."""
    try:
        return json.loads((path / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read checkpoint {path}: {error}; delete that folder to go on") from error


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's supernet weights, with the supernet's names.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        return load_file(path / _WEIGHTS)
    except Exception as error:  # safetensors raises its own class, OSError or ValueError
        raise CheckpointError(f"cannot read the weights of checkpoint {path}: {error}") from error
