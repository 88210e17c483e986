"""Runs that train a supernet and measure its subnets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .. import runs
from ..config import RunConfig, StudyConfig, identity, to_dict
from ..digest import json_digest
from ..errors import ConfigError, StudyError
from ..models import named_arch
from ..runs import RunFolder, TrainedRun
from ..samplers import sample_in_band
from ..spaces import Arch, SearchSpace, get_space
from ..training import latest_checkpoint
from .cell_kind import TRAINED, Advance, CellFile, CellKind, CellOutcome, described, tidy
from .grid import Cell, with_root

_CURVE, _MEASURED, _SEARCHED = "curve", "measured", "searched"


class SupernetCell(CellKind):
    """Train a supernet, recalibrate and measure archs on the test images, random ones and a search on the search's."""

    schema = RunConfig

    def identity(self, config: RunConfig) -> dict[str, Any]:
        return with_root(runs.supernet_identity(config), config.data.root)

    def complete(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        return with_root(runs.complete_supernet_identity(kept), kept["data"].get("root"))

    def check(self, cell: Cell, study: StudyConfig) -> None:  # noqa: ARG002
        runs.build_kd_loss(cell.config)
        try:
            space = runs.build_space(cell.config)
        except ValueError as error:
            raise ConfigError(f"space: {error}") from error
        for name in cell.measure:
            _arch(space, name)

    def outcome(self, cell: Cell, study: StudyConfig, file: CellFile) -> CellOutcome | None:
        work = _Work(cell, study, file)
        return work.outcome() if file.parts.get(TRAINED) and not work.missing() else None

    def train(self, config: RunConfig, curve_epochs: int | None, file: CellFile, advance: Advance) -> None:
        """From the beginning or the last checkpoint to the end."""
        runs.forget_accelerator()
        if curve_epochs:
            config = replace(config, training=replace(config.training, validate_epochs=curve_epochs))
        run = runs.SupernetRun(config)
        total, main = run.trainer.total_steps, run.accelerator.is_main_process
        if main:
            file.write(total_steps=total)
        run.train(lambda record: advance(int(record["step"]) + 1, total))
        if main:
            records = runs.read_curve(run.folder, run.steps_per_epoch) if curve_epochs else []
            trained = {**described(run.folder), "num_classes": run.splits.num_classes}
            file.write(**{_CURVE: {"every": curve_epochs, "records": records}, TRAINED: trained})

    def finish(self, cell: Cell, study: StudyConfig, file: CellFile, advance: Advance) -> None:
        work = _Work(cell, study, file)
        if study.curve_epochs and file.parts[_CURVE]["every"] != study.curve_epochs:
            raise StudyError(
                f"{cell.folder} was trained with curve_epochs {file.parts[_CURVE]['every']}, not {study.curve_epochs}, "
                "and only training can measure a curve: put the value back, or delete that folder to train it again"
            )
        if work.missing():
            _measure(cell, study, work, advance)
        tidy(RunFolder(cell.folder), keep_weights=study.keep_weights)


class _Work:
    """What a study asks of a run, and how much of it is there."""

    def __init__(self, cell: Cell, study: StudyConfig, file: CellFile):
        self.cell, self.study, self.file = cell, study, file
        self.space = runs.build_space(cell.config)
        self.columns = {name: _arch(self.space, name) for name in cell.measure}
        evaluation = identity(cell.config.evaluation)
        self.settings = json_digest(evaluation, 8)
        self.search_settings = json_digest([evaluation, identity(cell.config.search)], 8)

    @property
    def num_subnets(self) -> int:
        return len(self.columns) + self.study.random_subnets

    @property
    def regimes(self) -> list[list[Arch]]:
        classes = self.file.parts[TRAINED]["num_classes"]
        return random_archs(self.space, self.study.random_subnets, self.study.regimes, classes)

    def measured(self, images: str) -> dict[str, dict[str, float]]:
        """Printed arch -> metrics on those images."""
        return self.file.parts.get(_MEASURED, {}).get(f"{images} {self.settings}", {})

    def keep(self, images: str, arch: Arch, metrics: dict[str, float]) -> None:
        everything = self.file.parts.get(_MEASURED, {})
        these = {**self.measured(images), str(arch): metrics}
        self.file.write(**{_MEASURED: {**everything, f"{images} {self.settings}": these}})

    @property
    def searched(self) -> list[dict[str, float]] | None:
        return self.file.parts.get(_SEARCHED, {}).get(self.search_settings)

    def keep_searched(self, found: list[dict[str, float]]) -> None:
        self.file.write(**{_SEARCHED: {**self.file.parts.get(_SEARCHED, {}), self.search_settings: found}})

    def test_todo(self) -> list[Arch]:
        archs = dict.fromkeys(self.columns.values())
        return [arch for arch in archs if str(arch) not in self.measured("test")]

    def search_todo(self) -> list[Arch]:
        archs = dict.fromkeys(arch for regime in self.regimes for arch in regime)
        return [arch for arch in archs if str(arch) not in self.measured("search")]

    def missing(self) -> list[str]:
        """What the study asks for and is not there, in words."""
        todo = {"test": self.test_todo(), "search": self.search_todo()}
        missing = [f"{len(archs)} subnets on the {images} images" for images, archs in todo.items() if archs]
        if self.study.search and self.searched is None:
            missing.append("a search")
        if self.study.curve_epochs and self.file.parts[_CURVE]["every"] != self.study.curve_epochs:
            missing.append("a training curve")
        return missing

    def outcome(self) -> CellOutcome:
        test, search = self.measured("test"), self.measured("search")
        return CellOutcome(
            columns={name: test[str(arch)] for name, arch in self.columns.items()},
            random=[
                {"regime": number, **search[str(arch)]}
                for number, archs in enumerate(self.regimes) for arch in archs
            ],
            searched=(self.searched or []) if self.study.search else [],
            curve=self.file.parts[_CURVE]["records"] if self.study.curve_epochs else [],
            seconds=self.file.parts[TRAINED]["seconds"],
            cost=self.file.parts[TRAINED].get("cost", {}),
        )  # fmt: skip


def _measure(cell: Cell, study: StudyConfig, work: _Work, advance: Advance) -> None:
    if latest_checkpoint(RunFolder(cell.folder).checkpoints) is None:
        raise StudyError(
            f"{cell.folder} did not keep its weights (keep_weights: false), and {', '.join(work.missing())} are still "
            "to be measured: delete that folder to train it again"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    run = runs.open_run(cell.folder, _settings_of(cell.config), device)
    steps = work.file.parts[TRAINED]["steps"]

    def each(archs: list[Arch], images: str, measure: Callable[[Arch], Any]) -> None:
        for arch in archs:
            metrics = {**measure(arch).to_dict(), "mflops": run.mflops(arch), "params": run.params(arch)}
            work.keep(images, arch, metrics)
            left = len(work.test_todo()) + len(work.search_todo())
            advance(steps + work.num_subnets - left, steps + work.num_subnets)

    for resolution, archs in _by_resolution(work.test_todo()):
        deployment = runs.Deployment(run, resolution)
        each(archs, "test", lambda arch, deployment=deployment: deployment.measure(arch)[1])
    if todo := work.search_todo():
        each(todo, "search", runs.build_evaluator(run))
    if study.search and work.searched is None:
        work.keep_searched(_search(run))


def _settings_of(config: RunConfig) -> list[str]:
    """The study's evaluation and search settings, where the run was trained under others."""
    return [
        f"{section}.{key}={json.dumps(value)}"
        for section in ("evaluation", "search")
        for key, value in to_dict(getattr(config, section)).items()
    ]


def _search(run: TrainedRun) -> list[dict[str, float]]:
    evolution = runs.build_search(run, initial=tuple(run.space.presets.values()))
    assert evolution.history is not None
    with evolution.history:
        found = evolution.run()
    return [{"mflops": subnet.mflops, "top1": subnet.metrics["top1"]} for subnet in found]


def _by_resolution(archs: Iterable[Arch]) -> list[tuple[int, list[Arch]]]:
    groups: dict[int, list[Arch]] = {}
    for arch in archs:
        groups.setdefault(int(arch.resolution), []).append(arch)
    return sorted(groups.items())


def _arch(space: SearchSpace, name: str) -> Arch:
    try:
        return named_arch(name, space)
    except ValueError as error:
        raise ConfigError(f"measure: {error}") from error


_SEED = 2021
_DRAWS = 20_000  # where the space does not say of which parts its cost is made


def random_archs(space: SearchSpace, count: int, regimes: int, num_classes: int) -> list[list[Arch]]:
    """`count` archs in bands of equal width from the smallest arch's MFLOPs to the largest's, cheapest band first.

    Each band gets an equal share, the first ones one more where the count does not divide; a band without archs stays
    empty. Equal arguments give the same archs.
    """
    return _drawn(json.dumps(space.to_config()), count, regimes, num_classes) if count else []


@lru_cache(maxsize=8)
def _drawn(space_config: str, count: int, regimes: int, num_classes: int) -> list[list[Arch]]:
    space = get_space(**json.loads(space_config))
    least, greatest = (space.mflops(arch, num_classes) for arch in (space.smallest(), space.largest()))
    edges = np.linspace(least, greatest, regimes + 1)
    shares = [count // regimes + (number < count % regimes) for number in range(regimes)]
    rng = np.random.default_rng(_SEED)
    return [
        _in_band(space, low, high, share, rng, num_classes)
        for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
    ]


def _in_band(
    space: SearchSpace, low: float, high: float, count: int, rng: np.random.Generator, num_classes: int
) -> list[Arch]:
    try:
        return sample_in_band(space, low, high, count, rng, num_classes=num_classes)
    except ValueError:  # the space does not tell its parts, or hardly any arch is in the band
        values = space.sample_batch(_DRAWS, rng)
        mflops = space.mflops_batch(values, num_classes)
        return space.from_values_batch(values[(mflops >= low) & (mflops <= high)][:count])
