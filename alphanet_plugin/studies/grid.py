"""The runs of a study: groups x arms x seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import ArmConfig, GroupConfig, StudyConfig, TeacherRunConfig, from_dict, merge, read_mapping
from ..digest import json_digest
from ..errors import ConfigError
from ..runs import RunFolder
from ..shipped import shipped_config
from .cell_kind import CellKind

_DIGEST = 16  # hexadecimal digits of a folder's name, which says what its run's weights depend on


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes:
        group: Name of its group; empty where the study has none.
        arm: Name of its arm.
        seed: Its seed.
        config: The run's configuration; its output is the run's folder.
        measure: Archs whose test accuracy is asked for.
        identity: What its weights depend on, JSON values.
        teaches: Whether it is a group's teacher, and no part of the table.
    """

    group: str
    arm: str
    seed: int
    config: Any
    measure: tuple[str, ...]
    identity: dict[str, Any]
    teaches: bool = False

    @property
    def folder(self) -> Path:
        """The run's, named by what its weights depend on; runs that are equal are one."""
        return Path(self.config.output)

    def __str__(self) -> str:
        return f"{self.group + ': ' if self.group else ''}{self.arm}, seed {self.seed}"


def groups_of(study: StudyConfig) -> tuple[GroupConfig, ...]:
    """The study's groups, or the one without a name."""
    return study.groups or (GroupConfig(name=""),)


def runs_folder(study: StudyConfig) -> Path:
    """Where the study's runs lie."""
    return Path(study.runs) if study.runs else Path(study.output) / "runs"


def expand(study: StudyConfig, kind: CellKind) -> list[Cell]:
    """All runs: teachers, then the first seed of every arm before the second, so that a part of a study is balanced.

    Raises:
        ConfigError: A run's configuration is wrong; the message names the group, the arm and the key.
    """
    teachers = {
        group.name: _teacher(study, kind, group.name, group.teacher)
        for group in groups_of(study)
        if group.teacher is not None
    }
    bases = {group.name: _read_base(group.base or study.base) for group in groups_of(study)}
    students = [
        _student(study, kind, group, arm, seed, bases[group.name], teachers.get(group.name))
        for seed in study.seeds
        for group in groups_of(study)
        for arm in study.arms
    ]
    return [*teachers.values(), *students]


def with_root(identity: dict[str, Any], root: str | None) -> dict[str, Any]:
    """A run's identity with its images' folder, as runs of one study may share their own folder."""
    return identity if root is None else {**identity, "data": {**identity["data"], "root": root}}


def _teacher(study: StudyConfig, kind: CellKind, group: str, teacher: TeacherRunConfig) -> Cell:
    values = merge(_read_base(teacher.base), teacher.set)
    return _build(study, kind, values, Cell(group, "teacher", 0, None, (), {}, teaches=True))


def _student(
    study: StudyConfig,
    kind: CellKind,
    group: GroupConfig,
    arm: ArmConfig,
    seed: int,
    values: Mapping[str, Any],
    teacher: Cell | None,
) -> Cell:
    for changes in (study.set, group.set, arm.set):
        values = merge(values, changes)
    measure = next(of.measure for of in (arm, group, study) if of.measure is not None)
    return _build(study, kind, {**values, "seed": seed}, Cell(group.name, arm.name, seed, None, measure, {}), teacher)


def _build(study: StudyConfig, kind: CellKind, values: dict[str, Any], cell: Cell, teacher: Cell | None = None) -> Cell:
    """`cell` with its configuration; the folder is named by what its weights depend on."""
    named = values
    if teacher is not None:  # in whose place its name may stand, wherever the folder lies
        named = merge(values, {"teacher": {"name": teacher.folder.name}})
        values = merge(values, {"teacher": {"name": str(RunFolder(teacher.folder).model)}})
    try:
        config = from_dict(kind.schema, {**named, "output": "unnamed"})
        identity = kind.identity(config)
        folder = runs_folder(study) / json_digest(identity, _DIGEST)
        config = from_dict(kind.schema, {**values, "output": str(folder)})
        cell = dataclasses.replace(cell, config=config, identity=identity, seed=config.seed)
        if cell.teaches or values["seed"] == study.seeds[0]:  # the other seeds differ in nothing else
            kind.check(cell, study)
    except ConfigError as error:
        raise ConfigError(f"{cell.group + ': ' if cell.group else ''}{cell.arm}: {error}") from error
    return cell


def _read_base(base: str | Mapping[str, Any]) -> dict[str, Any]:
    return dict(base) if isinstance(base, Mapping) else read_mapping(shipped_config(base))
