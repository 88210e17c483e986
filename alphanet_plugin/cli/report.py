"""compare trained and searched runs: accuracy along the Pareto set, and what training cost

alphanet report runs/deps runs/ofa runs/bignas
alphanet report runs/deps --csv > deps.csv
The figures are of the space's presets, which a search evaluates, or with --buckets 6 of the best subnet that it found
in each of six equal ranges of MFLOPs; on the search images. A price comes with cost.per_device_hour of a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folders", metavar="RUN", nargs="+", help="folder of a trained and searched run")
    parser.add_argument("--buckets", type=int, metavar="K", help="best subnets of K ranges of MFLOPs, not the presets")
    parser.add_argument("--csv", action="store_true", help="print comma-separated values, not Markdown")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where the picture goes (default: RUN/cost.png)")


def run(arguments: argparse.Namespace) -> None:
    from ..report import plot_costs
    from ..runs import compare_run, comparison_csv, comparison_table, open_run

    if arguments.buckets is not None and arguments.buckets < 2:
        raise ValueError(f"--buckets must be at least 2, not {arguments.buckets}")
    compared = [compare_run(open_run(folder), arguments.buckets) for folder in arguments.run_folders]
    print(comparison_csv(compared) if arguments.csv else comparison_table(compared), end="")
    picture = arguments.picture or Path(arguments.run_folders[0]) / "cost.png"
    points = {
        run.name: (run.cost.gmacs / 1e3, run.points[0][1], run.mean_pareto, run.points[-1][1]) for run in compared
    }
    plot_costs(points, picture, title="Accuracy against the cost of training")
    print(f"picture: {picture}", file=sys.stderr)
