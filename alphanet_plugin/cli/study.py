"""run a grid of recipes and seeds, and compare them

Runs go on in parallel processes, in OUTPUT/runs. Started again it goes on: finished runs are kept, half-trained ones
resumed from their last checkpoint. Written are OUTPUT/table.md, table.csv, results.json and the study's pictures.
  alphanet study configs/studies/table3_digits.yaml --dry-run
  alphanet study configs/studies/table3_digits.yaml --set workers=2
  alphanet study configs/studies/table3_digits.yaml --only 'w/ KL-KD' --set seeds=[0]
  alphanet study configs/studies/table3_digits.yaml --report-only
A key of every run is set by its path: --set set.training.epochs=2."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..nearest import did_you_mean
from ..owner import owned
from .options import add_overrides
from .process import keep_freed_memory
from .progress import progress_bar

if TYPE_CHECKING:
    from ..studies import Study
    from ..studies.grid import Cell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="YAML file, such as configs/studies/table3_digits.yaml")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="list the runs, and which are finished; run none")
    what.add_argument("--report-only", action="store_true", help="table and pictures of what is finished; run none")
    parser.add_argument(
        "--only", metavar="ARM", action="append", default=[], help="run this arm; several times for more"
    )
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..config import DivergencesConfig, StudyConfig, read_config, read_mapping
    from ..errors import ConfigError, StudyError
    from ..shipped import shipped_config
    from ..studies import Study, write_divergences

    path = shipped_config(arguments.file)
    if read_mapping(path).get("kind") == "divergences":
        config = read_config(DivergencesConfig, path, arguments.overrides)
        if arguments.dry_run:
            print(f"{len(config.examples)} examples at {config.points} alphas; nothing to train")
            return None
        print(write_divergences(config))
        print(f"written: {config.output}/table.md, and beside it divergences.csv, figure2.png")
        return None
    config = read_config(StudyConfig, path, arguments.overrides)
    try:
        study = Study(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    _check_arms(study, arguments.only)
    if arguments.dry_run:
        return _list(study, arguments.only)
    failures = [] if arguments.report_only else _run(study, arguments.only)
    print(study.write_report())
    names = ", ".join(picture.name for picture in study.pictures)
    print(f"written: {study.table}, and beside it results.json, table.csv{', ' + names if names else ''}")
    if study.page:
        print(f"report, for a browser: {study.page}")
    if failures:
        count = f"{len(failures)} run{'s' if len(failures) > 1 else ''}"
        named = "; ".join(f"{failure.cell} ({failure.error})" for failure in failures[:5])
        more = f"; and {len(failures) - 5} more" if len(failures) > 5 else ""
        raise StudyError(
            f"{count} failed: {named}{more}. Tracebacks: error.txt in their folders, see {study.folder / 'runs.json'}. "
            "To go on, run the same command again"
        )


def _run(study: Study, only: list[str]) -> list:
    todo = study.to_run(only)
    for change in study.write_index():
        print(f"changed since the last time: {change}; those are other runs now, the old ones stay in their folders")
    print(f"{len(study.cells)} runs, {len(todo)} to make", flush=True)
    ended = 0
    with progress_bar("study", shown=bool(todo)) as advance:
        last = (0, 0)

        def on_done(cell: Cell, error: str | None) -> None:
            nonlocal ended
            ended += 1
            on_progress(*last)
            print(f"[{ended}/{len(todo)}] {cell}: {'failed: ' + error if error else 'done'}", flush=True)

        def on_progress(done: int, total: int) -> None:
            nonlocal last
            last = (done, total)
            advance(done, total, f"{ended}/{len(todo)} runs")

        with owned(study.folder / ".owner", f"the study {study.folder}", "choose another output"):
            return study.run(only, on_progress=on_progress, on_done=on_done, prepare=keep_freed_memory)


def _list(study: Study, only: list[str]) -> None:
    cells = [cell for cell in study.cells if cell.teaches or not only or cell.arm in only]
    for cell in cells:
        state = "finished" if study.finished(cell) else "begun" if (cell.folder / "config.yaml").exists() else "new"
        print(f"{state:9} {cell}  {cell.folder}")
    print(f"{len(cells)} runs, {len({cell.folder for cell in cells})} different, {len(study.to_run(only))} to make")


def _check_arms(study: Study, only: list[str]) -> None:
    known = list(dict.fromkeys(cell.arm for cell in study.cells if not cell.teaches))
    for arm in only:
        if arm not in known:
            raise ValueError(f"--only {arm!r} is no arm of this study; {did_you_mean(arm, known)}")
