"""A search by two processes of one core each, beside one process of one core and one of two: the same subnets.

    python benchmarks/search_ranks.py                     # a slimmable network on digits, trained here for a moment
    python benchmarks/search_ranks.py --run runs/digits   # any trained run; its own search is left alone

Times are those of evaluating the subnets, from the first to the last, so loading torch and images is not in them. The
two processes begin together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

SMALL = [
    "space.resolutions=[32]", "data.image_size=32", "training.epochs=1", "training.warmup_epochs=0",
    "training.batch_size=256", "evaluation.search_calibration_batches=4",
]  # fmt: skip


def search(rank: int, ranks: int, threads: int, port: int, args: argparse.Namespace, results: Any) -> None:
    """One process of a search; the first sends the seconds that it took and the history's lines."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(threads)
    from alphanet_plugin import runs

    with tempfile.TemporaryDirectory() as folder, runs.joined_ranks() as together:
        copy = Path(folder) / "run"
        shutil.copytree(args.run, copy, ignore=shutil.ignore_patterns("search*"))
        sizes = [f"search.num_random={args.subnets}", "search.num_rounds=1"]
        run = runs.open_run(copy, sizes)
        if rank:
            runs.help_search(run, together)
            return
        evolution = runs.build_search(run, ranks=together)
        assert evolution.history is not None
        together.wait_for_others()
        began = time.perf_counter()
        with evolution.history:
            evolution.run()
        results.put((time.perf_counter() - began, (copy / "search.jsonl").read_text().split("\n")[1:]))


def measure(ranks: int, threads: int, args: argparse.Namespace) -> tuple[float, list[str]]:
    """Seconds of a search and its history's lines but the first, which names the folder."""
    context = multiprocessing.get_context("spawn")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    results = context.Queue()
    processes = [
        context.Process(target=search, args=(rank, ranks, threads, port, args, results)) for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    found = results.get(timeout=3600)
    for process in processes:
        process.join()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a trained run (default: a small one is made)")
    parser.add_argument("--subnets", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2, help="by turns")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if args.run is None:
            args.run = Path(folder) / "run"
            _train(args.run)
        ways = {"one of one core": (1, 1), "one of all cores": (1, args.cores), "all of one core": (args.cores, 1)}
        times: dict[str, list[float]] = {name: [] for name in ways}
        lines: dict[str, list[str]] = {}
        for _ in range(args.rounds):
            for name, (ranks, threads) in ways.items():
                seconds, lines[name] = measure(ranks, threads, args)
                times[name].append(seconds)
    best = {name: min(found) for name, found in times.items()}
    same = "the same" if lines["one of one core"] == lines["all of one core"] else "ANOTHER"
    print(f"torch {torch.__version__}, {args.cores} cores, {args.subnets} subnets; {same} history, byte for byte")
    print("; ".join(f"{name} {seconds:.1f} s" for name, seconds in best.items()))
    print(f"one process of one core / {args.cores} of one: {best['one of one core'] / best['all of one core']:.2f}")
    print(f"one process of all cores / {args.cores} of one: {best['one of all cores'] / best['all of one core']:.2f}")


def _train(folder: Path) -> None:
    from alphanet_plugin import runs

    runs.run_supernet(runs.read_config("configs/us_mobilenet_v2_digits.yaml", [f"output={folder}", *SMALL]))


if __name__ == "__main__":
    main()
