"""compare trained and searched runs: a table, a picture, and a page for the browser

alphanet report runs/digits                          # also writes runs/digits/report.html
alphanet report runs/deps runs/ofa --html compared.html
alphanet report runs/deps --csv > deps.csv
The page holds the Pareto fronts (hover for an arch, click to copy the lines that load it), training curves, published
models, cost, machine and configuration; it is one file and needs no network. The table's figures are of the space's
presets, which a search evaluates, or with --buckets 6 of the best subnet that it found in each of six equal ranges of
MFLOPs; on the search images. A price comes with cost.per_device_hour of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runs import ComparedRun, TrainedRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folders", metavar="RUN", nargs="+", help="folder of a trained and searched run")
    parser.add_argument("--buckets", type=int, metavar="K", help="best subnets of K ranges of MFLOPs, not the presets")
    parser.add_argument("--csv", action="store_true", help="print comma-separated values, not Markdown")
    parser.add_argument("--html", type=Path, metavar="FILE", help="where the page goes (default: RUN/report.html)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where the picture goes (default: RUN/cost.png)")


def run(arguments: argparse.Namespace) -> None:
    from ..report import plot_costs
    from ..runs import compare_run, comparison_csv, comparison_table, open_run

    if arguments.buckets is not None and arguments.buckets < 2:
        raise ValueError(f"--buckets must be at least 2, not {arguments.buckets}")
    trained = [open_run(folder) for folder in arguments.run_folders]
    compared = [compare_run(run, arguments.buckets) for run in trained]
    print(comparison_csv(compared) if arguments.csv else comparison_table(compared), end="")
    picture = arguments.picture or Path(arguments.run_folders[0]) / "cost.png"
    points = {
        run.name: (run.cost.gmacs / 1e3, run.points[0][1], run.mean_pareto, run.points[-1][1]) for run in compared
    }
    plot_costs(points, picture, title="Accuracy against the cost of training")
    print(f"picture: {picture}", file=sys.stderr)
    page = write_run_page(trained, compared, arguments.html)
    print(f"report, for a browser: {page}", file=sys.stderr)


def write_run_page(trained: Sequence[TrainedRun], compared: Sequence[ComparedRun], path: Path | None = None) -> Path:
    """Write the page of runs; by default into the first one's folder."""
    from ..report import PageTable, write_page
    from ..runs import comparison_rows, page_run, published_of

    names = _names([str(run.folder.path) for run in trained])
    return write_page(
        [page_run(run.folder, name=name, models=published_of(run)) for name, run in zip(names, trained, strict=True)],
        path or trained[0].folder.page,
        title=", ".join(names),
        subtitle=f"trained on {', '.join(dict.fromkeys(run.splits.name for run in trained))}",
        tables=[PageTable(title="Accuracy and cost of training", rows=comparison_rows(compared))],
    )


def _names(paths: Sequence[str]) -> list[str]:
    """The folders' names; their paths where two are called the same, numbered where it is the same folder."""
    names = [Path(path).name for path in paths]
    names = [path if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
    return [f"{name} ({names[:n].count(name) + 1})" if name in names[:n] else name for n, name in enumerate(names)]
