"""search a trained supernet for its best subnets

Subnets are evaluated on images held out of training, never on the test images. The history is kept in
RUN/search.jsonl, and a search that was stopped goes on from there. With --latency the Pareto set is taken by latency: a
table of every block's latency is measured on the device, compared with whole networks that it was not made from, and
kept as RUN/latency_DEVICE_bN.json, so that it is measured once. Bounds of MFLOPs, parameters and latency
(search.max_latency_ms, search.min_params, ...) hold whatever the Pareto set is taken by. Under `accelerate launch` its
processes share the evaluations, with the same history. Examples:
  alphanet search runs/digits --set search.max_mflops=40
  alphanet search runs/digits --latency cpu --batch 1
  alphanet search runs/digits --latency onnx                   # of the exported files, by onnxruntime
  alphanet search runs/digits --set search.max_latency_ms=5 --set search.max_params=4e6
  alphanet search runs/imagenet --set search.rank=bins --set search.min_mflops=200 --set search.max_mflops=1200
  alphanet search runs/imagenet --set "search.stages=[0.1]"    # full evaluation of the promising alone
  alphanet search runs/imagenet --set search.predictor=ridge --set search.num_random=171 \
    --set search.num_crossovers=43 --set search.num_mutations=43    # a third of the evaluations
  accelerate launch -m alphanet_plugin search runs/imagenet --device cuda"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from .options import add_overrides
from .process import start_cpu_ranks
from .progress import progress_bar, say

if TYPE_CHECKING:
    from ..evaluation import LatencyTable
    from ..runs import Ranks, SearchCost, TrainedRun
    from ..search import Evaluated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--device", default="cpu", help="where subnets are evaluated, such as cuda")
    parser.add_argument(
        "--latency",
        choices=("cpu", "cuda", "onnx"),
        help="take the Pareto set by latency measured there, onnx: by onnxruntime on the CPU; search.cost=latency",
    )
    parser.add_argument("--batch", type=int, help="images of a measured forward; search.latency_batch (default: 1)")
    parser.add_argument(
        "--latency-check",
        type=int,
        default=50,
        metavar="N",
        help="held-out subnets to check the table on (default: 50)",
    )
    parser.add_argument("--json", action="store_true", help="print the front as JSON, and nothing else")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..runs import help_search, joined_ranks, open_run

    overrides = _overrides(arguments)
    start_cpu_ranks()
    with joined_ranks() as ranks:
        trained = open_run(arguments.run_folder, overrides, ranks.device(arguments.device))
        if ranks.is_first:
            _run(arguments, trained, ranks)
        else:
            help_search(trained, ranks)


def _run(arguments: argparse.Namespace, trained: TrainedRun, ranks: Ranks) -> None:
    from ..report import SubnetRow, print_table
    from ..runs import cost_of_run, rank_correlation, search_front, suggest_tag

    cost = cost_of_run(trained)
    if cost.table is not None:
        ranks.wait_for_others()
        checked = _check(trained, cost.table, arguments.latency_check)
        print(checked, flush=True, file=sys.stderr if arguments.json else sys.stdout)
    found = search(trained, cost, ranks)
    if correlation := rank_correlation(trained, found):
        print(correlation, file=sys.stderr if arguments.json else sys.stdout)
    front = search_front(trained)
    names = [f"front{number}" for number in range(1, len(front) + 1)]
    latency = {subnet.arch: cost.table.latency_ms(subnet.arch) for subnet in front} if cost.table is not None else {}
    rows = [
        SubnetRow(
            name=name,
            mflops=subnet.mflops,
            params=trained.params(subnet.arch),
            metrics={
                **({"latency (ms)": latency[subnet.arch]} if latency else {}),
                "search top-1 (%)": subnet.metrics["top1"],
            },
        )
        for name, subnet in zip(names, front, strict=True)
    ]
    if arguments.json:
        entries = zip(rows, front, strict=True)
        print(json.dumps([{**asdict(row), "arch": str(subnet.arch)} for row, subnet in entries], indent=2))
        return
    print_table(rows, title="Pareto front on the search images")
    print(
        f"for --arch of `alphanet evaluate {_quoted(trained)}` and `alphanet publish {_quoted(trained)}`, name or arch:"
    )
    for name, subnet in zip(names, front, strict=True):
        print(f"{name}: '{subnet.arch}'")
    print(f"{len(found)} subnets: {trained.folder.history}; picture: {trained.folder.picture}")
    print(f"next: alphanet publish {_quoted(trained)} --tag {suggest_tag(trained)}")


def _quoted(trained: TrainedRun) -> str:
    return shlex.quote(str(trained.folder.path))


def _overrides(arguments: argparse.Namespace) -> list[str]:
    if arguments.latency_check < 1:
        raise ValueError(f"--latency-check must be at least 1, not {arguments.latency_check}")
    if arguments.batch is not None and not arguments.latency:
        raise ValueError("--batch is of the latency table: give --latency cpu, cuda or onnx too")
    if not arguments.latency:
        return arguments.overrides
    asked = [f"search.latency_device={arguments.latency}", "search.cost=latency"]
    return [*arguments.overrides, *asked, f"search.latency_batch={1 if arguments.batch is None else arguments.batch}"]


def _check(trained: TrainedRun, table: LatencyTable, count: int) -> str:
    """Measure the table where that is not done yet, and say what it is worth."""
    from ..runs import check_latency_table, search_options

    if not (table.num_fitted and table.error):
        say(f"measuring {table.path} ...")
    options = search_options(trained.config, trained.space, trained.splits.num_classes)
    error = check_latency_table(table, trained.space, options["min_mflops"], options["max_mflops"], count)
    return f"{error}\n{len(table)} parts of networks, {table.conditions}: {table.path}"


def search(trained: TrainedRun, cost: SearchCost | None = None, ranks: Ranks | None = None) -> list[Evaluated]:
    """Search a trained run behind a progress bar, by this process and those that help it."""
    from ..runs import search_results, search_run

    known = len(search_results(trained))
    say(f"going on from {known} evaluated subnets ({trained.folder.history})", shown=known > 0)
    with progress_bar("search") as advance:

        def on_evaluated(done: int, total: int, subnet: Evaluated) -> None:
            nonlocal best
            if subnet.share == 1:
                best = max(best, subnet.metrics["top1"])
            advance(done, total, f"best {best:.2f} %")

        best = 0.0
        return search_run(trained, on_evaluated, cost=cost, ranks=ranks)
