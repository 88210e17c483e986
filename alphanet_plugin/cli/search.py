"""search a trained supernet for its best subnets

Subnets are evaluated on images held out of training, never on the test images. The history is kept in
RUN/search.jsonl, and a search that was stopped goes on from there. With --latency the Pareto set is taken by latency: a
table of every block's latency is measured on the device, compared with whole networks that it was not made from, and
kept as RUN/latency_DEVICE_bN.json, so that it is measured once. Examples:
  alphanet search runs/digits --set search.max_mflops=40
  alphanet search runs/digits --latency cpu --batch 1
  alphanet search runs/imagenet --set search.rank=bins --set search.min_mflops=200 --set search.max_mflops=1200
  alphanet search runs/imagenet --set "search.stages=[0.1]"    # full evaluation of the promising alone"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import add_overrides
from .progress import progress_bar

if TYPE_CHECKING:
    from ..evaluation import LatencyTable
    from ..runs import SearchCost, TrainedRun
    from ..search import Evaluated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--device", default="cpu", help="where subnets are evaluated, such as cuda")
    parser.add_argument(
        "--latency", choices=("cpu", "cuda"), help="take the Pareto set by latency measured there; search.cost=latency"
    )
    parser.add_argument("--batch", type=int, help="images of a measured forward; search.latency_batch (default: 1)")
    parser.add_argument(
        "--latency-check",
        type=int,
        default=50,
        metavar="N",
        help="held-out subnets to check the table on (default: 50)",
    )
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..report import SubnetRow, print_table
    from ..runs import cost_of_run, open_run
    from ..search import pareto_front

    trained = open_run(arguments.run_folder, _overrides(arguments), arguments.device)
    cost = cost_of_run(trained)
    if cost.table is not None:
        print(_check(trained, cost.table, arguments.latency_check), flush=True)
    found = search(trained, cost)
    rows = [
        SubnetRow(
            name=str(number),
            mflops=subnet.mflops,
            params=trained.params(subnet.arch),
            metrics={
                **({"latency (ms)": cost.of(subnet)} if cost.table is not None else {}),
                "search top-1 (%)": subnet.metrics["top1"],
            },
        )
        for number, subnet in enumerate(pareto_front(found, cost=cost.of), start=1)
    ]
    print_table(rows, title="Pareto front on the search images")
    print(f"{len(found)} subnets: {trained.folder.history}; picture: {trained.folder.picture}")
    print(f"next: alphanet publish {trained.folder.path}{_publish_options(trained)}")


def _overrides(arguments: argparse.Namespace) -> list[str]:
    if arguments.latency_check < 1:
        raise ValueError(f"--latency-check must be at least 1, not {arguments.latency_check}")
    if arguments.batch is not None and not arguments.latency:
        raise ValueError("--batch is of the latency table: give --latency cpu or cuda too")
    if not arguments.latency:
        return arguments.overrides
    asked = [f"search.latency_device={arguments.latency}", "search.cost=latency"]
    return [*arguments.overrides, *asked, f"search.latency_batch={1 if arguments.batch is None else arguments.batch}"]


def _publish_options(trained: TrainedRun) -> str:
    """What tells `alphanet publish` the cost of this search, where it is not the default."""
    settings = trained.config.search
    keys = {"latency": ("cost", "latency_device", "latency_batch"), "params": ("cost",)}.get(settings.cost, ())
    return "".join(f" --set search.{key}={getattr(settings, key)}" for key in keys)


def _check(trained: TrainedRun, table: LatencyTable, count: int) -> str:
    """Measure the table where that is not done yet, and say what it is worth."""
    from ..runs import check_latency_table, search_options

    options = search_options(trained.config, trained.space, trained.splits.num_classes)
    error = check_latency_table(table, trained.space, options["min_mflops"], options["max_mflops"], count)
    return f"{error}\n{len(table)} parts of networks, {table.conditions}: {table.path}"


def search(trained: TrainedRun, cost: SearchCost | None = None) -> list[Evaluated]:
    """Evaluate the presets, evolve, and draw the picture."""
    from .. import runs
    from ..report import plot_pareto

    cost = cost or runs.cost_of_run(trained)
    with progress_bar("search") as advance:

        def on_evaluated(done: int, total: int, subnet: Evaluated) -> None:
            nonlocal best
            if subnet.share == 1:
                best = max(best, subnet.metrics["top1"])
            advance(done, total, f"best {best:.2f} %")

        best = 0.0
        presets = trained.space.presets
        evolution = runs.build_search(trained, on_evaluated, initial=tuple(presets.values()), cost=cost)
        assert evolution.history is not None
        with evolution.history:
            found = evolution.run()
    by_arch = {subnet.arch: subnet for subnet in found}
    plot_pareto(
        found,
        trained.folder.picture,
        presets={name: by_arch[arch] for name, arch in presets.items() if arch in by_arch},
        title=f"{len(found)} subnets of one supernet on {trained.splits.name}",
        cost=cost.of,
        xlabel=cost.label,
        ylabel=f"top-1 accuracy on {len(trained.splits.search):,} search images (%)",
    )
    return found
