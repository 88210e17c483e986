"""A study: its grid, run and resumed, and what is written of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..atomic import write_text
from ..config import StudyConfig, differences, to_dict
from .cell_kind import Advance, CellFile, CellKind, CellOutcome, locked
from .grid import Cell, expand, runs_folder
from .network_cell import NetworkCell
from .page import write_study_page
from .pictures import draw_pictures
from .results import MEAN, PARETO, StudyResults
from .supernet_cell import SupernetCell
from .table import costs, markdown, to_csv
from .workers import Done, run_tasks


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Attributes:
        cell: Which.
        error: Why, in one line.
    """

    cell: Cell
    error: str


class Study:
    """A study's grid, beside what its runs have yielded.

    Args:
        config: The study.

    Attributes:
        cells: All its runs; equal ones share a folder.
        pictures: Those that `write_report` drew.

    Raises:
        ConfigError: The configuration of a run is wrong.
    """

    def __init__(self, config: StudyConfig):
        self.config = config
        self.folder = Path(config.output)
        self.pictures: list[Path] = []
        self.page: Path | None = None
        self.kind = KINDS[config.kind]
        self.cells = expand(config, self.kind)

    @property
    def table(self) -> Path:
        return self.folder / "table.md"

    def finished(self, cell: Cell) -> bool:
        """Whether the run is made, with all that this study asks of it."""
        return self.outcome(cell) is not None

    def outcome(self, cell: Cell) -> CellOutcome | None:
        """What the run has yielded; None where it is not finished."""
        return self.kind.outcome(cell, self.config, _file(self.kind, cell))

    def results(self) -> StudyResults:
        """What there is."""
        outcomes = [(cell, self.outcome(cell)) for cell in self.cells]
        return StudyResults(
            runs=[(cell, outcome) for cell, outcome in outcomes if outcome is not None and not cell.teaches],
            missing=[cell for cell, outcome in outcomes if outcome is None and not cell.teaches],
            teachers=[(cell, outcome) for cell, outcome in outcomes if outcome is not None and cell.teaches],
            summary=PARETO if self.config.summary == "pareto" else MEAN,
        )

    def to_run(self, only: Sequence[str] = ()) -> list[Cell]:
        """Runs that are not finished, each folder once, teachers first; of the arms in `only` if it names any."""
        cells = [cell for cell in self.cells if cell.teaches or not only or cell.arm in only]
        return [cell for cell in {cell.folder: cell for cell in cells[::-1]}.values() if not self.finished(cell)][::-1]

    def run(
        self,
        only: Sequence[str] = (),
        *,
        on_progress: Callable[[int, int], None] | None = None,
        on_done: Callable[[Cell, str | None], None] | None = None,
        prepare: Callable[[], object] | None = None,
    ) -> list[Failure]:
        """Make the runs that are not finished; returns those that failed.

        Args:
            only: Arms; all by default.
            on_progress: Given units of work done and in all, steps and subnets; the latter is estimated at first.
            on_done: Given each run that ended, and its error.
            prepare: What each worker's process does first.
        """
        cells, failures = self.to_run(only), []
        self.write_index()
        units = {cell.folder: (0, 0) for cell in cells}

        def run_some(some: Sequence[Cell]) -> None:
            def done(result: Done) -> None:
                cell = some[result.number]
                if result.error is not None:
                    failures.append(Failure(cell, result.error))
                    _write_error(cell, result)
                if on_done:
                    on_done(cell, result.error)

            def progress(of_some: Sequence[tuple[int, int]]) -> None:
                units.update(zip((cell.folder for cell in some), of_some, strict=True))
                if on_progress:
                    on_progress(*_estimate(list(units.values())))

            cores, workers = os.cpu_count() or 1, self._workers(len(some))
            threads = max(1, cores // workers) if workers > 1 else torch.get_num_threads()
            run_some_cell = partial(_run_cell, self.config)
            run_tasks(
                some, run_some_cell, workers=workers, threads=threads, on_progress=progress, on_done=done,
                prepare=prepare,
            )  # fmt: skip

        run_some([cell for cell in cells if cell.teaches])
        failed = {failure.cell.folder for failure in failures}
        untaught = {cell.group for cell in self.cells if cell.folder in failed}
        run_some([cell for cell in cells if not cell.teaches and cell.group not in untaught])
        return failures

    def _workers(self, count: int) -> int:
        alone = self.config.launch or torch.cuda.is_available()  # a GPU has room for one run
        most = self.config.workers or (1 if alone else os.cpu_count() or 1)
        return max(1, min(most, count))

    def write_index(self) -> list[str]:
        """Note which folder holds which run; returns what changed in runs since the last time, in words."""
        path = self.folder / "runs.json"
        before = {(r["group"], r["arm"], r["seed"]): r for r in _read_json(path, [])}
        rows = [{**_named(cell), "folder": str(cell.folder), "identity": cell.identity} for cell in self.cells]
        rows = json.loads(json.dumps(rows))
        write_text(path, json.dumps(rows, indent=1))
        _index_of_runs(runs_folder(self.config), rows)
        changed: dict[str, list[str]] = {}
        for row in rows:
            old = before.get((row["group"], row["arm"], row["seed"]))
            for key in differences(old["identity"], row["identity"]) if old else []:
                changed.setdefault(key, []).append(row["arm"])
        return [f"{key} of {', '.join(dict.fromkeys(arms))}" for key, arms in changed.items()]

    def write_report(self) -> str:
        """Write ``results.json``, ``table.csv``, ``table.md``, the pictures and the page of what there is; returns the
        table."""
        results, baseline = self.results(), self.config.baseline
        figures = results.figures(baseline)
        note = _note(results, self.config)
        cost = costs({group: results.costs(group) for group in results.groups})
        text = markdown(figures, baseline, "\n".join(part for part in (cost, note) if part))
        if self.config.title:
            text = f"# {self.config.title}\n\n{text}"
        content = {
            "study": to_dict(self.config),
            "machine": {"cores": os.cpu_count(), "torch": torch.__version__},
            "runs": [{**_named(cell), "folder": str(cell.folder), **asdict(outcome)} for cell, outcome in results.runs],
            "missing": [_named(cell) for cell in results.missing],
            "table": [figure.to_dict() for figure in figures],
        }
        for name, content_of in (
            ("results.json", json.dumps(content, indent=1)), ("table.csv", to_csv(figures)), ("table.md", text),
        ):  # fmt: skip
            write_text(self.folder / name, content_of)
        self.pictures = draw_pictures(self.config, results)
        self.page = write_study_page(self.config, results, figures)
        return text


def _run_cell(study: StudyConfig, cell: Cell, advance: Advance) -> None:
    """What a worker does for one run."""
    kind = KINDS[study.kind]
    with locked(cell.folder):
        kind.run(cell, study, _file(kind, cell), advance)
        (cell.folder / "error.txt").unlink(missing_ok=True)


def _named(cell: Cell) -> dict[str, Any]:
    return {"group": cell.group, "arm": cell.arm, "seed": cell.seed}


def _file(kind: CellKind, cell: Cell) -> CellFile:
    return CellFile(cell.folder, cell.identity, kind.complete)


def _estimate(progress: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Units done and in all; runs that are not begun count as the average of those that are."""
    known = [total for _, total in progress if total]
    average = sum(known) / len(known) if known else 1.0
    return sum(done for done, _ in progress), round(sum(total or average for _, total in progress))


def _write_error(cell: Cell, done: Done) -> None:
    with suppress(OSError):  # a full disk may be the very error
        cell.folder.mkdir(parents=True, exist_ok=True)
        (cell.folder / "error.txt").write_text(f"{cell}: {done.error}\n\n{done.details}", encoding="utf-8")


def _index_of_runs(folder: Path, rows: list[dict[str, Any]]) -> None:
    """``index.txt`` of a runs folder: which run lies where, those of other studies included."""
    path = folder / "index.txt"
    known = dict.fromkeys(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])
    for row in rows:
        group = f"{row['group']}: " if row["group"] else ""
        known[f"{Path(row['folder']).name}  {group}{row['arm']}, seed {row['seed']}"] = None
    write_text(path, "".join(f"{line}\n" for line in known))


def _read_json(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return otherwise


def _note(results: StudyResults, study: StudyConfig) -> str:
    """What the runs cost, and what is missing."""
    seconds = sum({cell.folder: outcome.seconds for cell, outcome in [*results.teachers, *results.runs]}.values())
    count = len(results.runs) + len(results.missing)
    note = (
        f"{len(results.runs)} of {count} runs, seeds {', '.join(map(str, study.seeds))}; {seconds / 60:.1f} minutes of "
        f"training in all; {os.cpu_count()} cores, torch {torch.__version__}.\n"
    )
    taught: dict[Path, list[str]] = {}
    for cell, _ in results.teachers:
        taught.setdefault(cell.folder, []).append(cell.group)
    for folder, outcome in {cell.folder: outcome for cell, outcome in results.teachers}.items():
        accuracy = ", ".join(f"{metrics['top1']:.2f} %" for metrics in outcome.columns.values())
        note += f"\nTeacher of {', '.join(taught[folder])}: {accuracy} on the test images.\n"
    if results.missing:
        note += f"\nPartial: not finished are {'; '.join(str(cell) for cell in results.missing[:12])}"
        note += f" and {len(results.missing) - 12} more.\n" if len(results.missing) > 12 else ".\n"
    return note


KINDS: dict[str, CellKind] = {"supernet": SupernetCell(), "network": NetworkCell()}
