"""What a study's runs are; how a launcher trains one on several ranks, and what is kept: ``result.json``, weights."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import write_text
from ..config import StudyConfig, differences
from ..errors import InUseError, StudyError
from ..owner import owned
from ..runs import RunFolder, TrainingCost, describe_machine, training_cost, write_run_config
from ..training import JsonLinesLog, latest_checkpoint

if TYPE_CHECKING:
    from .grid import Cell


class CellFile:
    """What a run has yielded, written anew, whole or not at all, with each part that comes.

    Args:
        folder: The run's folder.
        identity: What the run's weights depend on, JSON values; None for whatever the file says.
        complete: Fills up an identity that was kept when configurations had fewer keys.

    Attributes:
        parts: Name of a part -> JSON values.

    Raises:
        StudyError: The file is damaged, or is that of another run.
    """

    def __init__(
        self, folder: Path, identity: dict[str, Any] | None, complete: Callable[[dict[str, Any]], dict[str, Any]] = dict
    ):
        self.folder = folder
        self.complete = complete
        self.identity = json.loads(json.dumps(identity))
        self.parts: dict[str, Any] = {}
        self.read()

    @property
    def path(self) -> Path:
        return self.folder / "result.json"

    def write(self, **parts: Any) -> None:
        """Add parts, or replace them."""
        self.parts.update(parts)
        content = {"identity": self.identity, "parts": self.parts}
        write_text(self.path, json.dumps(content, indent=1))

    def read(self) -> None:
        """Look again at what is there."""
        if not self.path.is_file():
            return
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            identity, self.parts = content["identity"], dict(content["parts"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudyError(f"cannot read {self.path}: {error}; delete {self.folder} to make its run anew") from error
        if self.identity is None:
            self.identity = identity
        elif changed := differences(self.complete(identity), self.identity):
            raise StudyError(
                f"{self.path} is of a run with other values of {', '.join(changed)}; delete {self.folder}, "
                "or give the study another `runs` folder"
            )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from the run in `folder`; the lock goes with the process that holds it.

    Raises:
        StudyError: Another process is at this run.
    """
    try:
        with owned(folder / ".lock", f"the run in {folder}"):
            yield
    except InUseError as error:
        raise StudyError(f"another process is at the run in {folder}: {error}; run the study again then") from None


TRAINED = "trained"
"""The part of a run's file that is there once it is trained."""
Advance = Callable[[int, int], None]
"""(units of work that are done, of how many): steps of training, subnets to measure."""


@dataclass(frozen=True)
class CellOutcome:
    """What a finished run yields.

    Attributes:
        columns: Name of a column of the table -> metrics on the test images (top1 in per cent), ``mflops`` among them.
        random: Metrics of each random subnet on the search images, with its ``mflops`` and ``regime`` (0 the cheapest).
        searched: ``mflops`` and ``top1`` on the search images of every subnet that a search evaluated.
        curve: By epoch: ``{"epoch", "smallest": metrics, "largest": metrics}`` on the search images.
        seconds: Of training.
        cost: Of training, as `alphanet_plugin.runs.TrainingCost`; empty in runs of earlier versions.
    """

    columns: Mapping[str, Mapping[str, float]]
    random: list[dict[str, float]] = field(default_factory=list)
    searched: list[dict[str, float]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    cost: Mapping[str, float] = field(default_factory=dict)


class CellKind(ABC):
    """How runs of one kind are configured, made, and read."""

    schema: type
    """Of a run's configuration; it has an ``output`` and a ``seed``."""

    @abstractmethod
    def identity(self, config: Any) -> dict[str, Any]:
        """What the run's weights depend on, JSON values."""

    @abstractmethod
    def complete(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """A kept `identity`, of today or of an earlier version, as today's."""

    @abstractmethod
    def check(self, cell: Cell, study: StudyConfig) -> None:
        """ConfigError if the study asks of the run what it cannot give; cheap, before anything is run."""

    @abstractmethod
    def outcome(self, cell: Cell, study: StudyConfig, file: CellFile) -> CellOutcome | None:
        """What the study wants of the run, from its file; None if it is not all there yet."""

    @abstractmethod
    def train(self, config: Any, curve_epochs: int | None, file: CellFile, advance: Advance) -> None:
        """Train from the beginning, or on from the last checkpoint, and write the part ``trained``.

        Several ranks may be at it; the main one alone writes.
        """

    @abstractmethod
    def finish(self, cell: Cell, study: StudyConfig, file: CellFile, advance: Advance) -> None:
        """Measure a trained run until `outcome` is whole."""

    def run(self, cell: Cell, study: StudyConfig, file: CellFile, advance: Advance) -> None:
        """Make the run, or go on with it, until `outcome` is whole."""
        if TRAINED not in file.parts:
            if study.launch:
                train_by_command(study.launch, study.kind, cell, study.curve_epochs, file, advance)
            else:
                self.train(cell.config, study.curve_epochs, file, advance)
        self.finish(cell, study, file, advance)


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
