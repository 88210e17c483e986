"""A step on two ranks of one core each, beside one rank of two with the same global batch; bytes that the ranks share.

python benchmarks/ranks.py
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch


def train(rank: int, ranks: int, port: int, args: argparse.Namespace, results: Any) -> None:
    """Send this rank's (milliseconds of each step, bytes reduced in the last, bytes of the weights)."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    threads = max(1, args.cores // ranks)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # as launchers do; else Accelerate gives each rank all cores
    torch.set_num_threads(threads)
    from accelerate import Accelerator, DistributedDataParallelKwargs

    from alphanet_plugin import get_space
    from alphanet_plugin.losses import AdaptiveAlphaDivergence, Objective
    from alphanet_plugin.samplers import SandwichSampler
    from alphanet_plugin.schedules import WarmupCosine
    from alphanet_plugin.supernet import build_supernet
    from alphanet_plugin.training import SupernetPhase, SupernetUpdate, build_sgd

    ddp = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)  # as runs have it
    accelerator = Accelerator(cpu=True, kwargs_handlers=[ddp])
    space = get_space(args.space, resolutions=(args.side,))
    torch.manual_seed(0)
    supernet = build_supernet(space, num_classes=10).train()
    size = sum(parameter.numel() * parameter.element_size() for parameter in supernet.parameters())
    model, optimizer = accelerator.prepare(supernet, build_sgd(supernet, lr=0.1, momentum=0.9, weight_decay=1e-5))
    reduced = _count_reduced(model) if ranks > 1 else [0]
    phase = SupernetPhase(
        name="train", steps=range(args.steps + 1), rate=WarmupCosine(base_lr=0.1, total_steps=args.steps + 1),
        sampler=SandwichSampler(space, num_random=2, seed=0), first=Objective(),
        others=Objective(AdaptiveAlphaDivergence()),
    )  # fmt: skip
    update = SupernetUpdate(accelerator=accelerator, model=model, optimizer=optimizer, phase=phase, num_classes=10)
    images, labels = torch.randn(args.batch // ranks, 3, args.side, args.side), torch.zeros(args.batch // ranks).long()
    times = []
    for step in range(args.steps + 1):
        reduced[0], began = 0, time.perf_counter()
        dict(update.step(step, images, labels))
        update.apply()
        times.append(1e3 * (time.perf_counter() - began))
    results.put((rank, times[1:], reduced[0], size))
    accelerator.end_training()


def _count_reduced(model: Any) -> list[int]:
    """A number that grows by the bytes of every bucket that the ranks reduce."""
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

    reduced = [0]

    def hook(state, bucket):  # torch refuses other annotations than its own
        reduced[0] += bucket.buffer().numel() * bucket.buffer().element_size()
        return allreduce_hook(state, bucket)

    model.register_comm_hook(None, hook)
    return reduced


def measure(ranks: int, args: argparse.Namespace) -> tuple[float, int, int]:
    """Median milliseconds of the slower rank, bytes reduced in a step, bytes of the weights."""
    context = multiprocessing.get_context("spawn")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    results = context.Queue()
    processes = [context.Process(target=train, args=(rank, ranks, port, args, results)) for rank in range(ranks)]
    for process in processes:
        process.start()
    found = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    return max(statistics.median(times) for _, times, *_ in found), found[0][2], found[0][3]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="us_mobilenet_v1")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128, help="of both ranks together")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2, help="by turns")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args(arguments)
    rounds = [(measure(1, args), measure(2, args)) for _ in range(args.rounds)]
    one, two = (min(of[place][0] for of in rounds) for place in (0, 1))
    reduced, size = rounds[0][1][1:]
    print(
        f"torch {torch.__version__}, {args.cores} cores, {args.space} at {args.side} pixels, global batch {args.batch}"
    )
    print(f"a step: one rank {one:.0f} ms, two ranks {two:.0f} ms; two / one {two / one:.2f}")
    print(f"reduced a step: {reduced / 1e6:.2f} MB, {reduced / size:.2f} x the weights' {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
