"""Compares a search by staged evaluation with the same search by full evaluation: fronts and image passes.

    alphanet train --config configs/digits.yaml --set output=runs/digits
    python benchmarks/staged_search.py runs/digits                          # 512 random subnets
    python benchmarks/staged_search.py runs/digits --set search.num_random=128 --set search.num_rounds=4   # evolution

Both start from the same candidates. A seed chooses which images make the small shares; the full evaluation has no
choice to make. Fronts are compared by their figures on all images, as hypervolume down to a reference point: the cost
of the dearest candidate, with the accuracy of guessing, of the worst candidate, and of the median one. The higher that
is, the more a lost image counts. Image passes are those for BatchNorm and for accuracy together. Evaluations are kept
in the file --cache and beside it, so that a second run has them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphanet_plugin.cli.process import keep_freed_memory
from alphanet_plugin.cli.progress import progress_bar
from alphanet_plugin.evaluation import QuickEvaluator, SubnetEvaluator
from alphanet_plugin.runs import TrainedRun, build_evaluator, open_run, search_fingerprint, search_options
from alphanet_plugin.search import (
    Evaluated,
    EvolutionSearch,
    HistoryEntry,
    SearchHistory,
    Stage,
    hypervolume,
    pareto_front,
)
from alphanet_plugin.spaces import Arch


def reordered(batches: Iterable[Any], seed: int) -> list[tuple[Tensor, Tensor]]:
    """The same images in another order, in batches of the same sizes."""
    batches = list(batches)
    images, labels = torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    sizes = [len(batch[1]) for batch in batches]
    return [(images[part].contiguous(memory_format=torch.channels_last), labels[part]) for part in order.split(sizes)]


class Comparison:
    """Searches of one run, whose full evaluations are shared."""

    def __init__(self, run: TrainedRun, known: SearchHistory):
        self.run = run
        self.known = known
        self.evaluator = build_evaluator(run)
        self.options = search_options(run.config, run.space, run.splits.num_classes)

    def full(self, arch: Arch) -> dict[str, float]:
        entry = self.known.get(arch)
        if entry is None:
            subnet = Evaluated(arch, self.run.mflops(arch), asdict(self.evaluator(arch)))
            self.known.record(entry := HistoryEntry(subnet, 0, "given"))
        return dict(entry.evaluated.metrics)

    def search(
        self, title: str, evaluator: SubnetEvaluator, shares: Iterable[float], rough: SearchHistory | None = None
    ) -> tuple[list[Evaluated], int]:
        """Subnets that were evaluated in full, and image passes."""
        by_share = {share: QuickEvaluator(evaluator, share) for share in shares}
        passes = 0
        with progress_bar(title) as advance:

            def on_evaluated(done: int, total: int, subnet: Evaluated) -> None:
                nonlocal passes
                stage = evaluator if subnet.share == 1 else by_share[subnet.share]
                passes += stage.images_per_subnet
                advance(done, total)

            stages = [Stage(share, stage) for share, stage in by_share.items()]
            search = EvolutionSearch(
                self.run.space, self.full, stages=stages, on_evaluated=on_evaluated, history=rough, **self.options
            )
            return search.run(), passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run on digits")
    parser.add_argument("--stages", type=float, nargs="+", default=[0.1])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", help="file of full evaluations, such as full.jsonl (default: nothing is kept)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    run = open_run(args.run_folder, ["search.num_random=512", "search.num_rounds=1", *args.overrides])
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(args.cache or Path(folder) / "full.jsonl")
        with SearchHistory(cache, search_fingerprint(run)) as known:
            report(Comparison(run, known), args.stages, args.seeds, cache)


def report(comparison: Comparison, shares: list[float], seeds: int, cache: Path) -> None:
    evaluator = comparison.evaluator
    full, full_passes = comparison.search("full", evaluator, [])
    scores = [subnet.score("top1") for subnet in full]
    dearest = max(subnet.mflops for subnet in full)
    guessing = 100 / comparison.run.splits.num_classes
    references = {"guessing": guessing, "worst": min(scores), "median": statistics.median(scores)}
    print(f"{len(full)} subnets in full: {full_passes:,} image passes, front of {len(pareto_front(full))}")
    for name, least in references.items():
        volume = hypervolume(full, max_cost=dearest, min_score=least)
        print(f"  hypervolume down to {dearest:.1f} MFLOPs and top-1 {least:.2f} % ({name}): {volume:.1f}")
    ratios: dict[str, list[float]] = {name: [] for name in references}
    for seed in range(seeds):
        shuffled = SubnetEvaluator(
            comparison.run.supernet,
            reordered(evaluator.calibration_batches, seed),
            reordered(evaluator.evaluation_batches, seed),
        )
        start = time.perf_counter()
        with SearchHistory(cache.with_suffix(f".{seed}.jsonl"), {"seed": seed}) as rough:
            staged, passes = comparison.search(f"seed {seed}", shuffled, shares, rough)
        told = []
        for name, least in references.items():
            volumes = [hypervolume(found, max_cost=dearest, min_score=least) for found in (staged, full)]
            ratios[name].append(volumes[0] / volumes[1])
            told.append(f"{volumes[0]:.1f} ({ratios[name][-1]:.4f} of full) to {name}")
        print(
            f"seed {seed}: {len(staged)} in full, passes {passes / full_passes:.4f} of full; hypervolume "
            f"{', '.join(told)}; {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    for name, found in ratios.items():
        print(f"down to {name}: mean {statistics.mean(found):.4f}, least {min(found):.4f} over {seeds} seeds")


if __name__ == "__main__":
    main()
