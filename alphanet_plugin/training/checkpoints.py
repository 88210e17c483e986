"""Checkpoints of a run: whole or absent, the last good one never touched."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from accelerate.utils import load as load_object
from safetensors.torch import load_file

from ..atomic import commit_folder, name_beside, remove_leftovers
from ..digest import check_digests, damaged_files, digest_files
from ..errors import CheckpointError, unreadable_because
from .global_batch import GlobalBatch

_NAME = re.compile(r"step_(\d{8,})")
_STATE = "run.json"
_WEIGHTS = "model.safetensors"
_RANDOM = "random_states_{}.pkl"
_NEEDED = (_WEIGHTS, "optimizer.bin", _RANDOM.format(0))


class Checkpoints:
    """The checkpoints below one folder, ``step_00001000/`` and so on, in Accelerate's format.

    Args:
        accelerator: Whose prepared model, optimiser and random states are saved.
        folder: Where.
        keep: How many of the newest stay.
        identity: What must be equal for a checkpoint to be resumed (JSON values), such as the run's configuration.
        batch: The images of an update; None to count steps without a word of what they mean.
        fewer_images: Go on where training images are gone.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        folder: Path,
        *,
        keep: int = 2,
        identity: Any = None,
        batch: GlobalBatch | None = None,
        fewer_images: bool = False,
    ):
        self.accelerator = accelerator
        self.folder = folder
        self.keep = keep
        self.identity = identity
        self.batch = batch
        self.fewer_images = fewer_images
        self._checked: Path | None = None  # so that `load` need not read a whole checkpoint again
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
        main = self.accelerator.is_main_process
        (beside,) = broadcast_object_list([name_beside(path)])
        try:
            if main:
                self.folder.mkdir(parents=True, exist_ok=True)
                remove_leftovers(self.folder)
                beside.mkdir()
            self.accelerator.wait_for_everyone()
            self.accelerator.save_state(str(beside))
            self.accelerator.wait_for_everyone()
            if main:
                state = {"step": step, "identity": self.identity, "files": digest_files(beside)}
                if self.batch:
                    state["batch"] = asdict(self.batch)
                (beside / _STATE).write_text(json.dumps(state), encoding="utf-8")
                commit_folder(beside, path)
                self._prune()
            self.accelerator.wait_for_everyone()
        except Exception as error:
            shutil.rmtree(beside, ignore_errors=True)
            free = _free(self.folder)
            raise CheckpointError(f"cannot write checkpoint {path}{free}: {error}; {self.describe_latest()}") from error
        return path

    def check(self, path: Path) -> None:
        """Whether a run can go on from it; called by every rank, before anything of the run's folder is written.

        Raises:
            CheckpointError: It is damaged; the message says which file, and which checkpoint is good.
            ConfigError: Its steps took another number of images.
        """
        if path == self._checked:
            return
        (damage,) = broadcast_object_list([find_damage(path) if self.accelerator.is_main_process else None])
        if damage:
            raise _damaged(path, damage)
        before = kept_batch(path, read_state(path))
        if self.batch and before:
            self.batch.check_same(before, path, fewer=self.fewer_images)
        self._checked = path

    def load(self, path: Path) -> int:
        """Restore model, optimiser and random states; returns the step to go on with.

        Raises:
            CheckpointError: As of `check`.
            ConfigError: The same.
        """
        self.check(path)
        self._checked = None
        state = read_state(path)
        before = kept_batch(path, state)
        try:
            self.accelerator.load_state(str(path))
        except Exception as error:
            raise _damaged(path, unreadable_because(error)) from error
        self._lay_out_state()
        if before is None or self.accelerator.process_index < before.processes:
            self._check_random_states(path)
        return state["step"]

    def describe_latest(self) -> str:
        """A clause for error messages that names the last good checkpoint."""
        good = _newest_whole(list_checkpoints(self.folder))
        return f"the last good checkpoint is {good}" if good else f"there is no good checkpoint in {self.folder}"

    def _check_random_states(self, path: Path) -> None:
        """Accelerate goes on without a word where it cannot restore them."""
        file = path / _RANDOM.format(self.accelerator.process_index)
        try:
            states = load_object(file)
            restored = _are_the_random_states(states)
        except Exception as error:  # a pickle can fail with any
            raise _damaged(path, f"{file.name} cannot be read: {unreadable_because(error)}") from error
        if not restored:
            raise _damaged(path, f"{file.name} holds no random states")

    def _check_finite(self) -> None:
        for model in self.accelerator._models:
            for name, parameter in model.named_parameters():
                if not torch.isfinite(parameter).all():
                    raise CheckpointError(f"weight {name} is not finite, not saved; {self.describe_latest()}")

    def _lay_out_state(self) -> None:
        """Put the optimiser's tensors in the order of their weights, which may be another on the device of before."""
        for optimizer in self.accelerator._optimizers:
            for weight, state in optimizer.state.items():
                for name, value in state.items():
                    if (
                        isinstance(value, torch.Tensor)
                        and value.shape == weight.shape
                        and value.stride() != weight.stride()
                    ):
                        state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)

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
    """Checkpoints below a folder, oldest first; each got its name when it was complete, but may be damaged since."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(filter(is_checkpoint, found), key=step_of)


def is_checkpoint(path: Path) -> bool:
    """Whether it is one by its name, whatever became of its files."""
    return _NAME.fullmatch(path.name) is not None and path.is_dir()


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint below a folder."""
    paths = list_checkpoints(folder)
    return paths[-1] if paths else None


def read_state(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: its ``step``, the run's ``identity``, ``batch``, and ``files`` with digests.

    Checkpoints of earlier versions have neither of the last two.

    Raises:
        CheckpointError: It is damaged.
    """
    try:
        return _read_state(path)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def find_damage(path: Path) -> str | None:
    """Which files of a checkpoint are not as they were written, in words; None if it is whole."""
    try:
        listed = _read_state(path).get("files")
    except ValueError as error:
        return str(error)
    if listed is not None:
        return "; ".join(damaged_files(path, listed)) or None
    return "; ".join(f"{name} is missing or empty" for name in _NEEDED if not _has_bytes(path / name)) or None


def kept_batch(path: Path, state: Mapping[str, Any]) -> GlobalBatch | None:
    """The images of an update of the run that wrote a checkpoint; None where nothing tells.

    Earlier versions say it between the lines: the batch of a rank in the identity, the ranks by their random states.
    """
    if "batch" in state:
        return GlobalBatch.from_dict(state["batch"])
    training = (state["identity"] or {}).get("training")
    size = training.get("batch_size") if isinstance(training, Mapping) else None
    processes = len(list(path.glob(_RANDOM.format("*"))))
    return GlobalBatch(batch_size=size, processes=processes) if isinstance(size, int) and processes else None


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's supernet weights, with the supernet's names.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    listed = read_state(path).get("files")
    damage = list(damaged_files(path, {_WEIGHTS: listed[_WEIGHTS]})) if listed else []
    if damage:
        raise _damaged(path, damage[0])
    try:
        return load_file(path / _WEIGHTS)
    except Exception as error:  # safetensors raises its own class, OSError or ValueError
        raise _damaged(path, f"{_WEIGHTS}: {error}") from error


def _read_state(path: Path) -> dict[str, Any]:
    """ValueError where it cannot be read, or is none."""
    try:
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        _check_state(path, state)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{_STATE}: {error}") from error
    return state


def _check_state(path: Path, state: Any) -> None:
    """ValueError naming the value that is not as a checkpoint of that name says it."""
    if not isinstance(state, dict):
        raise ValueError("it holds no table")
    step = state.get("step")
    if type(step) is not int or step != step_of(path):
        raise ValueError(f"step is {step!r:.80} where the folder's name says {step_of(path)}")
    if not isinstance(state.get("identity", ""), (dict, type(None))):
        raise ValueError("identity, the run's configuration, is no table")
    if "batch" in state:
        GlobalBatch.from_dict(state["batch"])
    if "files" not in state:
        return
    check_digests(state["files"])
    if missing := [name for name in _NEEDED if name not in state["files"]]:
        raise ValueError(f"files does not list {', '.join(missing)}")


def step_of(path: Path) -> int:
    """The step that a checkpoint's name says; ValueError if it is no checkpoint's name."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise ValueError(f"{path.name} is no checkpoint's name, such as step_00001000")
    return int(name[1])


def _has_bytes(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _are_the_random_states(states: Any) -> bool:
    """Whether Python's, numpy's and torch's generators are in these states."""
    _, numbers, position, *_ = np.random.get_state()  # noqa: NPY002 - of Accelerate's checkpoints
    _, wanted, wanted_position, *_ = states["numpy_random_seed"]
    return (
        random.getstate() == states["random_state"]
        and position == wanted_position
        and np.array_equal(numbers, wanted)
        and torch.equal(torch.get_rng_state(), states["torch_manual_seed"])
    )


def _damaged(path: Path, damage: str) -> CheckpointError:
    """Which checkpoint is damaged, and where to go on from."""
    message = f"checkpoint {path} is damaged: {' '.join(damage.split()):.500}"
    before = [other for other in list_checkpoints(path.parent) if step_of(other) < step_of(path)]
    if other := _newest_whole(before):
        return CheckpointError(f"{message}; the newest good one is {other}: delete {path} to go on from it")
    return CheckpointError(f"{message}; none before it is whole: delete {path.parent} to start anew")


def _newest_whole(checkpoints: list[Path]) -> Path | None:
    return next((path for path in reversed(checkpoints) if find_damage(path) is None), None)


def _free(folder: Path) -> str:
    """For errors of writing, as torch's own do not say that a disk is full."""
    try:
        return f" ({shutil.disk_usage(folder).free / 1e6:,.0f} MB are free there)"
    except OSError:
        return ""
