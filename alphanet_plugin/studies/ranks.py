"""Runs whose training a launcher starts on several ranks."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StudyError
from ..runs import RunFolder, write_run_config

if TYPE_CHECKING:
    from .cell_file import CellFile
    from .cell_kind import Advance
    from .grid import Cell

_POLL = 1.0  # seconds
_TAIL = 4096  # bytes that the last line of a log surely fits in


def train_by_command(
    launch: str, kind: str, cell: Cell, curve_epochs: int | None, file: CellFile, advance: Advance
) -> None:
    """Train a run by ``LAUNCH -m alphanet_plugin.studies FOLDER``, and read from its files how far it is.

    Raises:
        StudyError: The launcher is not there, or ended with another status than 0.
    """
    write_run_config(cell.config)
    file.write()
    command = [*shlex.split(launch), "-m", "alphanet_plugin.studies", str(cell.folder), "--kind", kind]
    command += ["--curve-epochs", str(curve_epochs)] if curve_epochs else []
    try:
        process = subprocess.Popen(command, start_new_session=True)  # so that all it starts can be ended together
    except OSError as error:
        raise StudyError(f"launch: cannot start {command[0]}: {error.strerror or error}") from error
    try:
        while _still_runs(process):
            file.read()
            if total := file.parts.get("total_steps"):
                advance(_steps_done(RunFolder(cell.folder).log), total)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode:
        raise StudyError(f"{shlex.join(command)} ended with status {process.returncode}; what it said is above")
    file.read()


def _still_runs(process: subprocess.Popen) -> bool:
    try:
        process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return True
    return False


def _steps_done(log: Path) -> int:
    """By the last whole line of a run's log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            return int(json.loads(file.read().splitlines()[-1])["step"]) + 1
    except (OSError, ValueError, IndexError, KeyError):
        return 0
