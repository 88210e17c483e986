"""Going on from a checkpoint under a changed configuration, on purpose: ``alphanet train --resume-from``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..config import differences
from ..errors import CheckpointError, ConfigError
from ..nearest import path_hint
from ..training import JsonLinesLog, latest_checkpoint, read_state
from .run_folder import RunFolder
from .run_images import without_images


def find_resumption(source: Path, folder: RunFolder) -> Path:
    """The checkpoint to go on from.

    Args:
        source: A checkpoint, or a run's folder for its newest.
        folder: Of the run that goes on; it may be the same.

    Raises:
        CheckpointError: There is no checkpoint.
        ConfigError: The folder holds newer ones, which a later start would take instead.
    """
    source = source.expanduser()
    checkpoint = source if (source / "run.json").is_file() else latest_checkpoint(RunFolder(source).checkpoints)
    if checkpoint is None:
        raise CheckpointError(
            f"--resume-from: {source} is no checkpoint, and no run's folder with one{path_hint(source)}"
        )
    newest = latest_checkpoint(folder.checkpoints)
    if newest is not None and int(read_state(newest)["step"]) > int(read_state(checkpoint)["step"]):
        raise ConfigError(
            f"--resume-from: {folder.path} holds checkpoints after {checkpoint}, up to {newest}; leave "
            "--resume-from out to go on from that, delete those after it, or choose another output"
        )
    return checkpoint


def record_resumption(
    checkpoint: Path,
    folder: RunFolder,
    identity: Mapping[str, Any],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> None:
    """Write down in the run's history which keys changed, as ``{key: [old, new]}``, and from which step on."""
    state = read_state(checkpoint)
    before = complete(without_images(state["identity"] or {}))
    changed = {key: [_at(before, key), _at(identity, key)] for key in differences(dict(before), dict(identity))}
    JsonLinesLog(folder.resumptions).write({
        "step": state["step"],
        "from": str(checkpoint),
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "changed": changed,
    })  # fmt: skip


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
