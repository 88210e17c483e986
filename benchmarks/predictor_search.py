"""Compares a search whose candidates a predictor ranks, at a third of the evaluations, with the plain search: fronts.

    alphanet train --config configs/digits.yaml --set output=runs/digits
    python benchmarks/predictor_search.py runs/digits --cache full.jsonl
    python benchmarks/predictor_search.py runs/digits --cache full.jsonl --predictor mlp --seeds 5

Beside them goes a plain search at a third of the evaluations, which says what the predictor adds. Fronts are compared
as `staged_search.py` compares them: by hypervolume down to the cost of the dearest subnet of the plain search, with the
accuracy of guessing, of its worst and of its median subnet. Every subnet is evaluated once for all searches, and kept
in the file --cache, so that a second run looks all of them up.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import Subset

from alphanet_plugin.cli.process import keep_freed_memory
from alphanet_plugin.cli.progress import progress_bar
from alphanet_plugin.runs import TrainedRun, build_evaluator, open_run, search_fingerprint, search_options
from alphanet_plugin.search import (
    Evaluated,
    EvolutionSearch,
    HistoryEntry,
    Predictor,
    SearchHistory,
    hypervolume,
    pareto_front,
)
from alphanet_plugin.spaces import Arch

SIZES = ["search.num_random=96", "search.num_parents=32", "search.num_crossovers=24", "search.num_mutations=24",
         "search.num_rounds=5"]  # fmt: skip


class Searches:
    """Searches of one run, which share what is evaluated."""

    def __init__(self, run: TrainedRun, known: SearchHistory):
        self.run, self.known = run, known
        self.evaluator = build_evaluator(run)
        self.options = search_options(run.config, run.space, run.splits.num_classes)

    def evaluate(self, arch: Arch) -> dict[str, float]:
        entry = self.known.get(arch)
        if entry is None:
            subnet = Evaluated(arch, self.run.mflops(arch), self.evaluator(arch).to_dict())
            self.known.record(entry := HistoryEntry(subnet, 0, "given"))
        return dict(entry.evaluated.metrics)

    def search(self, title: str, **changes: Any) -> list[Evaluated]:
        with progress_bar(title) as advance:
            return EvolutionSearch(
                self.run.space,
                self.evaluate,
                on_evaluated=lambda done, total, _: advance(done, total),
                **{**self.options, **changes},
            ).run()

    def fewer(self, share: float) -> dict[str, int]:
        """Sizes of a search with that share of the evaluations, in as many rounds."""
        names = ("num_random", "num_crossovers", "num_mutations")
        return {name: max(1, round(share * self.options[name])) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--predictor", choices=("ridge", "mlp"), default="ridge")
    parser.add_argument("--pool", type=int, default=8, help="candidates proposed for each that is evaluated")
    parser.add_argument("--share", type=float, default=1 / 3, help="of the evaluations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, help="so many search images instead of all")
    parser.add_argument("--cache", help="file of full evaluations (default: nothing is kept)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    run = open_run(args.run_folder, [*SIZES, *args.overrides])
    if args.images:
        few = cast(Any, Subset(cast(Any, run.splits.search), range(args.images)))
        run = replace(run, splits=replace(run.splits, search=few))
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(args.cache or Path(folder) / "full.jsonl")
        about = {**search_fingerprint(run), **({"images": args.images} if args.images else {})}
        with SearchHistory(cache, about) as known:
            report(Searches(run, known), args)


def report(searches: Searches, args: argparse.Namespace) -> None:
    ratios: dict[tuple[str, str], list[float]] = {}
    for seed in range(args.seeds):
        plain = searches.search(f"plain {seed}", seed=seed)
        few = {"seed": seed, **searches.fewer(args.share)}
        with_predictor = {"predictor": args.predictor, "predictor_pool": args.pool}
        found = {
            args.predictor: searches.search(f"{args.predictor} {seed}", **few, **with_predictor),
            "no predictor": searches.search(f"fewer {seed}", **few),
        }
        _tell(seed, plain, found, ratios, searches, args)
    for (name, reference), volumes in ratios.items():
        print(
            f"{name}, down to {reference}: mean {statistics.mean(volumes):.4f} of the plain search's hypervolume, "
            f"least {min(volumes):.4f} over {args.seeds} seeds"
        )


def _tell(
    seed: int,
    plain: list[Evaluated],
    found: dict[str, list[Evaluated]],
    ratios: dict[tuple[str, str], list[float]],
    searches: Searches,
    args: argparse.Namespace,
) -> None:
    scores, dearest = [subnet.score("top1") for subnet in plain], max(subnet.mflops for subnet in plain)
    guessing = 100 / searches.run.splits.num_classes
    print(f"seed {seed}: plain, {len(plain)} subnets, front of {len(pareto_front(plain))}")
    for name, subnets in found.items():
        told = []
        for reference, least in {
            "guessing": guessing, "worst": min(scores), "median": statistics.median(scores)
        }.items():  # fmt: skip
            one, other = (hypervolume(points, max_cost=dearest, min_score=least) for points in (subnets, plain))
            ratios.setdefault((name, reference), []).append(one / other)
            told.append(f"{one / other:.4f} to {reference}")
        print(f"  {name}: {len(subnets)} subnets, front of {len(pareto_front(subnets))}; {', '.join(told)}")
    predictor = Predictor(searches.run.space, searches.run.splits.num_classes, args.predictor)
    print(f"  {predictor.rank_correlation(found[args.predictor])}", flush=True)


if __name__ == "__main__":
    main()
