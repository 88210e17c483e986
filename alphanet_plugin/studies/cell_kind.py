"""What a study's runs are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..config import StudyConfig
from .ranks import train_by_command

if TYPE_CHECKING:
    from .cell_file import CellFile
    from .grid import Cell

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
