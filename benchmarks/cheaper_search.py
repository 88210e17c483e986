"""Compares a search that looks at fewer images with the plain search: by stages, or by a predictor; fronts and passes.

    alphanet train --config configs/digits.yaml --set output=runs/digits
    python benchmarks/cheaper_search.py staged runs/digits                       # 512 random subnets
    python benchmarks/cheaper_search.py staged runs/digits --set search.num_random=128 --set search.num_rounds=4
    python benchmarks/cheaper_search.py predictor runs/digits --cache full.jsonl
    python benchmarks/cheaper_search.py predictor runs/digits --cache full.jsonl --predictor mlp --seeds 5

``staged`` evaluates the same candidates by shares of the image passes first. A seed chooses which images make the small
shares; the full evaluation has no choice to make. Image passes are those for BatchNorm and for accuracy together.

``predictor`` has its candidates ranked by a predictor, at a third of the evaluations; beside it goes a plain search at
a third, which says what the predictor adds. A seed is that of the evolution.

Fronts are compared by their figures on all images, as hypervolume down to a reference point: the cost of the dearest
subnet of the plain search, with the accuracy of guessing, of its worst subnet, and of its median one. The higher that
is, the more a lost image counts. Every subnet is evaluated once for all searches, and kept in the file --cache (rough
evaluations beside it), so that a second run looks all of them up.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Subset

from alphanet_plugin.cli.process import keep_freed_memory
from alphanet_plugin.cli.progress import progress_bar
from alphanet_plugin.evaluation import QuickEvaluator, SubnetEvaluator
from alphanet_plugin.runs import TrainedRun, build_evaluator, open_run, search_fingerprint, search_options
from alphanet_plugin.search import (
    Evaluated,
    EvolutionSearch,
    HistoryEntry,
    Predictor,
    SearchHistory,
    Stage,
    hypervolume,
    pareto_front,
)
from alphanet_plugin.spaces import Arch

SIZES = {
    "staged": ["search.num_random=512", "search.num_rounds=1"],
    "predictor": ["search.num_random=96", "search.num_parents=32", "search.num_crossovers=24",
                  "search.num_mutations=24", "search.num_rounds=5"],
}  # fmt: skip


class Searches:
    """Searches of one run, whose full evaluations are shared."""

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

    def search(
        self, title: str, rough: Mapping[float, QuickEvaluator] | None = None, **changes: Any
    ) -> tuple[list[Evaluated], int]:
        """Subnets that were evaluated in full, and image passes; `rough` are the stages by their shares."""
        passes, stages = 0, dict(rough or {})
        with progress_bar(title) as advance:

            def on_evaluated(done: int, total: int, subnet: Evaluated) -> None:
                nonlocal passes
                passes += stages.get(subnet.share, self.evaluator).images_per_subnet
                advance(done, total)

            options = {**self.options, **changes, "stages": [Stage(*one) for one in stages.items()]}
            return EvolutionSearch(self.run.space, self.evaluate, on_evaluated=on_evaluated, **options).run(), passes

    def fewer(self, share: float) -> dict[str, int]:
        """Sizes of a search with that share of the evaluations, in as many rounds."""
        names = ("num_random", "num_crossovers", "num_mutations")
        return {name: max(1, round(share * self.options[name])) for name in names}


class Ratios:
    """Hypervolumes of searches over those of plain ones."""

    def __init__(self, guessing: float):
        self.guessing = guessing
        self.found: dict[tuple[str, str], list[float]] = {}

    def add(self, name: str, subnets: Sequence[Evaluated], plain: Sequence[Evaluated]) -> str:
        """Compare one with a plain search; returns it in words."""
        scores, dearest = [subnet.score("top1") for subnet in plain], max(subnet.mflops for subnet in plain)
        told = []
        for reference, least in (
            ("guessing", self.guessing), ("worst", min(scores)), ("median", statistics.median(scores)),
        ):  # fmt: skip
            one, other = (hypervolume(points, max_cost=dearest, min_score=least) for points in (subnets, plain))
            self.found.setdefault((name, reference), []).append(one / other)
            told.append(f"{one:.1f} ({one / other:.4f} of the plain one's) to {reference}")
        return f"{name}: {len(subnets)} subnets, front of {len(pareto_front(subnets))}; hypervolume {', '.join(told)}"

    def __str__(self) -> str:
        return "\n".join(
            f"{name}, down to {reference}: mean {statistics.mean(ratios):.4f} of the plain search's hypervolume, least "
            f"{min(ratios):.4f} over {len(ratios)} seeds"
            for (name, reference), ratios in self.found.items()
        )


def reordered(batches: Iterable[Any], seed: int) -> list[tuple[Tensor, Tensor]]:
    """The same images in another order, in batches of the same sizes."""
    batches = list(batches)
    images, labels = torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    sizes = [len(batch[1]) for batch in batches]
    return [(images[part].contiguous(memory_format=torch.channels_last), labels[part]) for part in order.split(sizes)]


def compare_staged(searches: Searches, args: argparse.Namespace, ratios: Ratios, cache: Path) -> None:
    evaluator = searches.evaluator
    plain, plain_passes = searches.search("full")
    print(f"{len(plain)} subnets in full: {plain_passes:,} image passes, front of {len(pareto_front(plain))}")
    for seed in range(args.seeds):
        calibration = reordered(evaluator.calibration_batches, seed)
        shuffled = SubnetEvaluator(searches.run.supernet, calibration, reordered(evaluator.evaluation_batches, seed))
        rough = {share: QuickEvaluator(shuffled, share) for share in args.stages}
        with SearchHistory(cache.with_suffix(f".{seed}.jsonl"), {"seed": seed}) as history:
            found, passes = searches.search(f"seed {seed}", rough, history=history)
        print(
            f"seed {seed}: passes {passes / plain_passes:.4f} of full; {ratios.add('staged', found, plain)}", flush=True
        )


def compare_predictor(searches: Searches, args: argparse.Namespace, ratios: Ratios, cache: Path) -> None:  # noqa: ARG001
    predictor = Predictor(searches.run.space, searches.run.splits.num_classes, args.predictor)
    for seed in range(args.seeds):
        plain, _ = searches.search(f"plain {seed}", seed=seed)
        few: dict[str, Any] = {"seed": seed, **searches.fewer(args.share)}
        found, _ = searches.search(f"{args.predictor} {seed}", **few, predictor=args.predictor)
        fewer, _ = searches.search(f"fewer {seed}", **few)
        print(f"seed {seed}: plain, {len(plain)} subnets, front of {len(pareto_front(plain))}")
        print(f"  {ratios.add(args.predictor, found, plain)}")
        print(f"  {ratios.add('no predictor', fewer, plain)}")
        print(f"  {predictor.rank_correlation(found)}", flush=True)


COMPARISONS: dict[str, Callable[[Searches, argparse.Namespace, Ratios, Path], None]] = {
    "staged": compare_staged,
    "predictor": compare_predictor,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=COMPARISONS)
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--stages", type=float, nargs="+", default=[0.1], help="staged: shares of the image passes")
    parser.add_argument("--predictor", choices=("ridge", "mlp"), default="ridge")
    parser.add_argument("--share", type=float, default=1 / 3, help="predictor: of the evaluations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, help="so many search images instead of all")
    parser.add_argument("--cache", help="file of full evaluations, such as full.jsonl (default: nothing is kept)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    run = open_run(args.run_folder, [*SIZES[args.way], *args.overrides])
    if args.images:
        few = cast(Any, Subset(cast(Any, run.splits.search), range(args.images)))
        run = replace(run, splits=replace(run.splits, search=few))
    ratios = Ratios(guessing=100 / run.splits.num_classes)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(args.cache or Path(folder) / "full.jsonl")
        about = {**search_fingerprint(run), **({"images": args.images} if args.images else {})}
        with SearchHistory(cache, about) as known:
            COMPARISONS[args.way](Searches(run, known), args, ratios, cache)
    print(ratios)


if __name__ == "__main__":
    main()
