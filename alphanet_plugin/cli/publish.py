"""publish a run's best subnets for timm

The presets and a spread of the search's Pareto front are recalibrated, measured on the test images, and written to the
local store ($ALPHANET_HOME, or the user's data directory), where timm finds them by name. Example:
  alphanet publish runs/digits --tag mine"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import add_overrides
from .progress import progress_bar

if TYPE_CHECKING:
    from ..recipes import TrainedRun
    from ..weights import Publication


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--tag", help="short for --set publish.tag=TAG")
    parser.add_argument("--device", default="cpu", help="where subnets are recalibrated and measured, such as cuda")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..recipes import open_run

    overrides = [*arguments.overrides, *([f"publish.tag={arguments.tag}"] if arguments.tag else [])]
    print_published(publish(open_run(arguments.run_folder, overrides, arguments.device)))


def publish(trained: TrainedRun) -> list[Publication]:
    """Publish what the configuration names, cheapest first."""
    from .. import recipes

    chosen = recipes.to_publish(trained)
    published = []
    with progress_bar("publish") as advance:
        advance(0, len(chosen))
        for one in recipes.publish_run(trained, chosen):
            published.append(one)
            advance(len(published), len(chosen), f"{one.name} {one.metrics['top1']:.2f} %")
    return sorted(published, key=lambda one: one.mflops)


def print_published(published: list[Publication]) -> None:
    """A table of what was published, with the figures that were measured on the test images."""
    from .. import store
    from ..report import SubnetRow, print_table

    rows = [
        SubnetRow(name=one.name, mflops=one.mflops, params=one.params, metrics={"test top-1 (%)": one.metrics["top1"]})
        for one in published
    ]
    print_table(rows, title=f"Published to {store.home()}")
