"""Times recalibrating and evaluating a subnet beside a plain way to write it, and compares their figures.

    python benchmarks/evaluate_subnet.py                           # the quickstart's space and images, random weights
    python benchmarks/evaluate_subnet.py --run runs/digits         # a trained run as it is
    python benchmarks/evaluate_subnet.py --photographs --archs 4   # 192..288 pixels, 1,000 classes, generated JPEGs
    python benchmarks/evaluate_subnet.py --memory 500              # the product's memory over 500 subnets

The plain way extracts the subnet as a contiguous (NCHW) network, goes through the data set by fresh loaders, and
averages statistics and accuracy in plain loops. The product is what `alphanet search` evaluates with,
`runs.build_evaluator`. Each runs in a process of its own, set up as a program would be, and they take the same
subnets by turns; the first is for warming up, and making the product's batches comes before it and is told apart.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from alphanet_plugin.cli.process import keep_freed_memory
from alphanet_plugin.config import RunConfig, from_dict, read_config
from alphanet_plugin.data import LabelledImages
from alphanet_plugin.data.seeded import SeededDataset
from alphanet_plugin.evaluation import Metrics
from alphanet_plugin.runs import RunFolder, TrainedRun, build_data, build_evaluator, build_model, open_run
from alphanet_plugin.shipped import shipped
from alphanet_plugin.spaces import Arch

Evaluate = Callable[[Arch], Metrics]

# -- the plain way ------------------------------------------------------------------------------------------------


class PlainEvaluator:
    """Extract, fresh loader, loop."""

    def __init__(self, run: TrainedRun):
        self.run = run

    def __call__(self, arch: Arch) -> Metrics:
        settings = self.run.config.evaluation
        net = self.run.supernet.extract(arch)
        norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        net.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            calibration = settings.search_calibration_batches * settings.batch_size
            for images, _ in self.loader(self.run.splits.calibration, calibration, whole=True):
                net(images)
            net.eval()
            loss, top1, top5, count = 0.0, 0, 0, 0
            for images, labels in self.loader(self.run.splits.search, None):
                logits = net(images)
                loss += float(F.cross_entropy(logits, labels, reduction="sum"))
                hits = logits.topk(5).indices == labels[:, None]
                top1, top5, count = top1 + int(hits[:, 0].sum()), top5 + int(hits.sum()), count + len(labels)
        return Metrics(top1=100 * top1 / count, top5=100 * top5 / count, loss=loss / count, count=count)

    def loader(self, images: LabelledImages, limit: int | None, whole: bool = False) -> DataLoader:
        """The same images, augmented the same, as the product's."""
        seed = self.run.config.seed
        order = np.random.default_rng(seed).permutation(len(images))[:limit].tolist()
        size = min(self.run.config.evaluation.batch_size, len(order))
        return DataLoader(Subset(SeededDataset(images, seed), order), batch_size=size, drop_last=whole)


# -- measuring ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What both do."""

    config: RunConfig
    classes: int | None
    trained: bool
    threads: int
    archs: int

    def open(self) -> TrainedRun:
        if self.trained:
            return open_run(self.config.output)
        splits = build_data(self.config)
        torch.manual_seed(0)
        supernet = build_model(self.config, self.classes or splits.num_classes)
        for name, parameter in supernet.named_parameters():
            if "bn" in name and name.endswith("weight"):  # those that begin at 0 would leave only the shortcuts
                nn.init.uniform_(parameter, 0.5, 1.0)
        return TrainedRun(RunFolder(Path(self.config.output)), self.config, Path(), supernet, splits)

    def draw(self, run: TrainedRun, count: int) -> list[Arch]:
        rows = run.space.sample_batch(count, np.random.default_rng(0))
        return [run.space.from_values(row) for row in rows]


def serve(name: str, case: Case, pipe: Connection) -> None:
    """Evaluate the subnet of each number that comes; send seconds of wall clock and of CPU, and the figures."""
    torch.set_num_threads(case.threads)
    if name == "product":
        keep_freed_memory()  # as the command line does
    run = case.open()
    archs = case.draw(run, case.archs + 1)
    start = time.perf_counter()
    evaluate: Evaluate = build_evaluator(run) if name == "product" else PlainEvaluator(run)
    pipe.send(time.perf_counter() - start)
    while (number := pipe.recv()) is not None:
        wall, cpu = time.perf_counter(), time.process_time()
        metrics = evaluate(archs[number])
        pipe.send((time.perf_counter() - wall, time.process_time() - cpu, metrics))


def compare(case: Case, rounds: int) -> None:
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name in ("plain", "product"):
        pipes[name], theirs = context.Pipe()
        context.Process(target=serve, args=(name, case, theirs), daemon=True).start()
        prepared = pipes[name].recv()
    print(f"the product's batches, once: {prepared:.1f} s")
    rows = []
    for number in [0, *(1 + n for _ in range(rounds) for n in range(case.archs))]:
        row = {}
        for name in ("plain", "product") if number % 2 else ("product", "plain"):
            pipes[name].send(number)
            row[name] = pipes[name].recv()
        rows.append(row)
    for pipe in pipes.values():
        pipe.send(None)
    for place, clock in enumerate(("wall clock", "CPU time")):
        sums = {name: sum(row[name][place] for row in rows[1:]) for name in pipes}
        ratios = [row["product"][place] / row["plain"][place] for row in rows[1:]]
        each = ", ".join(f"{name} {1e3 * total / len(ratios):.0f} ms" for name, total in sums.items())
        print(
            f"{clock}: {each} a subnet; ratio {sums['product'] / sums['plain']:.3f} "
            f"(median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}) over {len(ratios)}"
        )
    pairs = [(row["product"][2], row["plain"][2]) for row in rows]
    top1 = max(abs(ours.top1 - theirs.top1) for ours, theirs in pairs)
    loss = max(abs(ours.loss - theirs.loss) for ours, theirs in pairs)
    print(f"largest difference: top-1 {top1:g} points, loss {loss:.1e} over {pairs[0][0].count} images")


def resident_mb() -> float:
    """Memory of this process that is in RAM, now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Mallinfo2(ctypes.Structure):
    """What glibc says of its heap, in bytes (malloc.h)."""

    _names = (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )  # fmt: skip
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def in_use_mb() -> float:
    """Memory that the C library has handed out and not got back; needs glibc 2.33."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo2
    heap = mallinfo2()
    return (heap.uordblks + heap.hblkhd) / 2**20


def memory(case: Case, subnets: int) -> None:
    """Memory and live tensors, each time that a fifth of the subnets is done.

    Resident memory holds, beside what is in use, gaps between blocks of many sizes. They grow less and less.
    """
    torch.set_num_threads(case.threads)
    keep_freed_memory()
    run = case.open()
    archs = case.draw(run, subnets)
    evaluator = build_evaluator(run)
    kept = [id(images) for images, _ in evaluator.evaluation_batches]
    evaluator(run.space.largest())
    for number, arch in enumerate(archs, start=1):
        evaluator(arch)
        if number % max(1, subnets // 5) == 0 or number == min(20, subnets):
            gc.collect()
            tensors = [found for found in gc.get_objects() if issubclass(type(found), torch.Tensor)]
            held = sum(found.device.type != "meta" for found in tensors)  # the others are blocks' shapes
            del tensors
            print(
                f"{number:4d} subnets: {in_use_mb():.1f} MiB in use, {resident_mb():.0f} MiB resident, "
                f"{held} tensors with memory",
                flush=True,
            )
    assert kept == [id(images) for images, _ in evaluator.evaluation_batches], "the batches were made again"


def generated_photographs(folder: Path, train: int, classes: int = 8) -> None:
    """JPEGs of 400 x 320 pixels: ImageNet's kind, without its content."""
    rng = np.random.default_rng(0)
    for number in range(train):
        small = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        for part in ("train", "val") if number < classes else ("train",):
            file = folder / part / str(number % classes) / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            small.resize((400, 320), Image.Resampling.BICUBIC).save(file, quality=90)


def make_config(args: argparse.Namespace, folder: Path) -> RunConfig:
    if args.run:
        return read_config(RunConfig, Path(args.run) / "config.yaml", [f"output={args.run}"])
    if not args.photographs:
        small = [f"space.resolutions={args.resolutions}", f"data.image_size={args.resolutions[-1]}"]
        return read_config(RunConfig, shipped("configs/digits.yaml"), [f"output={folder}", *small])
    images = args.batch * args.batches
    generated_photographs(folder, 2 * images)
    settings = {"batch_size": args.batch, "search_calibration_batches": args.batches}
    data = {"name": "folder", "root": str(folder), "image_size": 224, "search_count": images}
    return from_dict(RunConfig, {"output": str(folder), "data": data, "evaluation": settings})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="folder of a trained run, instead of random weights")
    parser.add_argument("--resolutions", type=int, nargs="+", default=[24, 32, 40, 48], help="of digits, ascending")
    parser.add_argument("--photographs", action="store_true", help="the paper's resolutions, on generated JPEGs")
    parser.add_argument("--batch", type=int, default=32, help="images of a batch, with --photographs")
    parser.add_argument("--batches", type=int, default=2, help="for BatchNorm and as many for accuracy, likewise")
    parser.add_argument("--archs", type=int, default=10, help="random subnets")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is evaluated")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, metavar="N", help="show memory over N subnets instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(args, Path(folder))
        case = Case(config, 1000 if args.photographs else None, bool(args.run), args.threads, args.archs)
        print(
            f"torch {torch.__version__}, {platform.machine()} {torch.backends.cpu.get_cpu_capability()}, "
            f"{args.threads} threads, load {os.getloadavg()[0]:.1f}; resolutions {config.space.resolutions}"
        )
        if args.memory:
            memory(case, args.memory)
        else:
            compare(case, args.rounds)


if __name__ == "__main__":
    main()
