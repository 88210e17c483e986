"""search a trained supernet for its best subnets

Subnets are evaluated on images held out of training, never on the test images. The history is kept in
RUN/search.jsonl, and a search that was stopped goes on from there. Example:
  alphanet search runs/digits --set search.max_mflops=40"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import add_overrides
from .progress import progress_bar

if TYPE_CHECKING:
    from ..recipes import TrainedRun
    from ..search import Evaluated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--device", default="cpu", help="where subnets are evaluated, such as cuda")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..recipes import open_run
    from ..report import SubnetRow, print_table
    from ..search import pareto_front

    trained = open_run(arguments.run_folder, arguments.overrides, arguments.device)
    found = search(trained)
    rows = [
        SubnetRow(
            name=str(number),
            mflops=subnet.mflops,
            params=trained.params(subnet.arch),
            metrics={"search top-1 (%)": subnet.metrics["top1"]},
        )
        for number, subnet in enumerate(pareto_front(found), start=1)
    ]
    print_table(rows, title="Pareto front on the search images")
    print(f"{len(found)} subnets: {trained.folder.history}; picture: {trained.folder.picture}")
    print(f"next: alphanet publish {trained.folder.path}")


def search(trained: TrainedRun) -> list[Evaluated]:
    """Evaluate the presets, evolve, and draw the picture."""
    from .. import recipes
    from ..report import plot_pareto

    with progress_bar("search") as advance:

        def on_evaluated(done: int, total: int, subnet: Evaluated) -> None:
            nonlocal best
            best = max(best, subnet.metrics["top1"])
            advance(done, total, f"best {best:.2f} %")

        best = 0.0
        presets = trained.space.presets
        found = recipes.build_search(trained, on_evaluated, initial=tuple(presets.values())).run()
    by_arch = {subnet.arch: subnet for subnet in found}
    plot_pareto(
        found,
        trained.folder.picture,
        presets={name: by_arch[arch] for name, arch in presets.items() if arch in by_arch},
        title=f"{len(found)} subnets of one supernet on {trained.splits.name}",
        ylabel=f"top-1 accuracy on {len(trained.splits.search):,} search images (%)",
    )
    return found
