"""Measures training and evaluation on a GPU: the card's two bounds, steps beside the plain way, and what is left.

    python benchmarks/gpu.py --output gpu.json        # two minutes on an H100
    python benchmarks/gpu.py --device cpu --quick     # the same program in small, to see that it runs

A step is the AlphaNet paper's: the largest network on the labels, two random ones and the smallest by adaptive
alpha-divergence, gradients clipped, SGD with Nesterov momentum; images are on the device. The plain way is that of
`train_step.py`. Bounds: multiply-adds of forward and backward (three times a forward's) at the rate of a large matrix
product in the same precision, and bytes at the rate of a large copy, where each convolution touches its input and
output three times, and BatchNorm with its activation its output five times. A row that fails says so, and the others
go on.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from train_step import make_optimizer, make_plain, plain_step

from alphanet_plugin import get_space
from alphanet_plugin.evaluation import evaluate
from alphanet_plugin.losses import AdaptiveAlphaDivergence, Objective
from alphanet_plugin.runs import build_space, read_config
from alphanet_plugin.spaces import Arch, SearchSpace
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.supernet.layers import ElasticBatchNormAct2d, ElasticConv2d
from alphanet_plugin.training import Pass, add_gradients, build_sgd

IMAGENET, EPOCHS = 1_281_167, 360
ALL_REDUCE_GB = 100.0  # GB/s, assumed where eight cards are reckoned
PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}

Step = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """What is trained: a space, its images and batches."""

    name: str
    space: SearchSpace
    side: int
    classes: int

    def sandwiches(self, count: int) -> list[list[Arch]]:
        """The archs of some steps."""
        rng = np.random.default_rng(0)
        draw, ends = self.space.sample, (self.space.largest(), self.space.smallest())
        return [[ends[0], draw(rng), draw(rng), ends[1]] for _ in range(count)]

    def batch(self, size: int, device: str, channels_last: bool) -> tuple[Tensor, Tensor]:
        torch.manual_seed(1)
        images = torch.randn(size, 3, self.side, self.side, device=device)
        labels = torch.randint(0, self.classes, (size,), device=device)
        return images.contiguous(memory_format=torch.channels_last) if channels_last else images, labels

    def supernet(self) -> Any:
        torch.manual_seed(0)
        return build_supernet(self.space, num_classes=self.classes, resize_input=True).train()


@dataclass
class Bench:
    """The device, its bounds, and the rows so far."""

    device: str
    quick: bool
    output: Path | None = None
    title: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)  # multiply-adds a second by precision
    copied: float = 0.0  # bytes a second
    touched: dict[tuple[str, Arch], int] = field(default_factory=dict)  # of a case's archs
    began: float = field(default_factory=time.perf_counter)

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    def synchronise(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, step: Step, count: int, warm: int = 2) -> float:
        """Of one of `count` calls."""
        for _ in range(warm):
            step()
        self.synchronise()
        began = time.perf_counter()
        for _ in range(count):
            step()
        self.synchronise()
        return (time.perf_counter() - began) / count

    def row(self, what: str, measure: Callable[[], dict[str, Any]], limit: float = 200.0) -> dict[str, Any]:
        """Measure a row, unless so many seconds have passed; an error becomes the row."""
        found: dict[str, Any] = {"what": what}
        passed = time.perf_counter() - self.began
        gc.collect()  # networks whose forward is replaced refer to themselves
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            found |= measure() if passed < limit else {"note": f"left out: {passed:.0f} s had passed"}
        except Exception as error:
            found["note"] = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
        if self.cuda and "ms" in found:
            found["GiB"] = torch.cuda.max_memory_allocated() / 2**30
        self.rows.append(found)
        self.keep()
        print(f"{time.perf_counter() - self.began:6.1f} s  {found}", flush=True)
        return found

    def keep(self) -> None:
        """Write the rows so far."""
        if self.output:
            self.output.write_text(json.dumps({"title": self.title, "rows": self.rows}, indent=1), encoding="utf-8")


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Matrix products and convolutions in fp32, or with tf32's shorter factors."""
    kept = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept


def cast(bench: Bench, name: str) -> Any:
    """A context of forwards in that precision."""
    return torch.autocast(bench.device.split(":")[0], torch.bfloat16) if name == "bf16" else nullcontext()


def measure_card(bench: Bench) -> None:
    """The two bounds: a large matrix product's rate, a large copy's bandwidth."""
    side, size = (256, 2**20) if bench.quick else (8192, 2**30)
    for name, dtype in PRECISIONS.items():
        if bench.quick and name == "tf32":
            continue

        def product(name: str = name, dtype: torch.dtype = dtype) -> dict[str, Any]:
            one, other = (torch.randn(side, side, device=bench.device, dtype=dtype) for _ in range(2))
            with precision(name):
                seconds = bench.seconds(lambda: one @ other, 3)
            bench.rates[name] = side**3 / seconds
            return {"ms": 1e3 * seconds, "TFLOP/s": 2 * side**3 / seconds / 1e12}

        bench.row(f"matrix product {side}, {name}", product)

    def copy() -> dict[str, Any]:
        one, other = (torch.empty(size, dtype=torch.uint8, device=bench.device) for _ in range(2))
        one.random_(0, 255)
        seconds = bench.seconds(lambda: other.copy_(one), 10)
        bench.copied = 2 * size / seconds
        return {"ms": 1e3 * seconds, "GB/s": bench.copied / 1e9}

    bench.row("copy, read and written", copy)


def touched(bench: Bench, case: Case, archs: Sequence[Arch]) -> int:
    """Elements of an image's activations that a step of these archs reads and writes at least."""
    unknown = [arch for arch in archs if (case.name, arch) not in bench.touched]
    net: Any = (case.supernet() if unknown else nn.Module()).to(bench.device)
    count = 0

    def convolution(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal count
        count += 3 * (inputs[0].numel() + output.numel())

    def norm(_: nn.Module, __: Any, output: Tensor) -> None:
        nonlocal count
        count += 5 * output.numel()

    for layer in net.modules():
        if isinstance(layer, ElasticConv2d | ElasticBatchNormAct2d):
            layer.register_forward_hook(convolution if isinstance(layer, ElasticConv2d) else norm)
    for arch in unknown:
        net.activate(arch)
        with torch.no_grad():
            net(case.batch(2, bench.device, channels_last=False)[0])
        bench.touched[case.name, arch], count = count // 2, 0
    return sum(bench.touched[case.name, arch] for arch in archs)


def add_bounds(bench: Bench, found: dict[str, Any], case: Case, archs: list[Arch], size: int, name: str) -> None:
    """How far the row is above what arithmetic, and what memory alone, would take."""
    macs = 3 * size * sum(case.space.cost(arch, case.classes).macs for arch in archs)
    bytes_ = touched(bench, case, archs) * size * PRECISIONS[name].itemsize
    arithmetic, memory = 1e3 * macs / bench.rates[name], 1e3 * bytes_ / bench.copied
    found |= {"arithmetic ms": arithmetic, "memory ms": memory, "of bound": found["ms"] / max(arithmetic, memory)}


# -- steps --------------------------------------------------------------------------------------------------------


def product_steps(bench: Bench, case: Case, size: int, name: str, channels_last: bool, count: int) -> Iterator[Step]:
    """The product's steps as `Trainer` does them."""
    net = case.supernet().to(bench.device)
    net = net.to(memory_format=torch.channels_last) if channels_last else net
    optimizer = build_sgd(net, lr=0.1, momentum=0.9, weight_decay=1e-5)
    images, labels = case.batch(size, bench.device, channels_last)
    teach, learn = Objective(label_smoothing=0.1), Objective(AdaptiveAlphaDivergence())
    forward = net.forward

    def in_precision(x: Tensor) -> Tensor:
        with cast(bench, name):
            return forward(x).float()

    net.forward = in_precision

    def step(archs: Sequence[Arch]) -> None:
        passes = [Pass(arch, learn if number else teach) for number, arch in enumerate(archs)]
        add_gradients(net, passes, images, labels)
        finish(net, optimizer)

    return endless(step, case.sandwiches(count))


def plain_steps(bench: Bench, case: Case, size: int, name: str, count: int) -> Iterator[Step]:
    """The same steps the plain way."""
    net = make_plain(case.supernet()).to(bench.device)
    optimizer = make_optimizer(net, foreach=False)
    images, labels = case.batch(size, bench.device, channels_last=False)
    forward = net.forward

    def in_precision(x: Tensor) -> Tensor:
        with cast(bench, name):
            return forward(x).float()

    net.forward = in_precision

    def step(archs: Sequence[Arch]) -> None:
        plain_step(net, archs)(images, labels)
        finish(net, optimizer, foreach=False)

    return endless(step, case.sandwiches(count))


def finish(net: nn.Module, optimizer: torch.optim.Optimizer, foreach: bool | None = None) -> None:
    nn.utils.clip_grad_value_(net.parameters(), 1.0, foreach=foreach)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def endless(step: Callable[[Sequence[Arch]], None], sandwiches: Sequence[Sequence[Arch]]) -> Iterator[Step]:
    for archs in itertools.cycle(sandwiches):
        yield partial(step, archs)


def measure_steps(
    bench: Bench, case: Case, size: int, name: str, *, plain: bool = False, channels_last: bool = False
) -> dict[str, Any]:
    """Time, images a second, distance to the bounds, and how often the host waited in a step."""
    count = 1 if bench.quick else 4
    make = plain_steps if plain else product_steps
    steps = make(bench, case, size, name, *(() if plain else (channels_last,)), count)  # type: ignore[operator]
    with precision(name):
        seconds = bench.seconds(lambda: next(steps)(), count, warm=min(count, 3))
        found = {"ms": 1e3 * seconds, "images/s": size / seconds, **waits(bench, next(steps))}
        found |= kernels(next(steps)) if bench.cuda else {}
    mean: dict[str, Any] = {}
    for archs in case.sandwiches(count):
        one = dict(found)
        add_bounds(bench, one, case, archs, size, name)
        mean = {key: mean.get(key, 0.0) + one[key] / count for key in ("arithmetic ms", "memory ms")}
    return {**found, **mean, "of bound": found["ms"] / max(mean.values())}


def waits(bench: Bench, step: Step) -> dict[str, int]:
    """How often the host waits for the GPU in a step."""
    if not bench.cuda:
        return {}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return {"waits": sum("synchronizing CUDA operation" in str(one.message) for one in seen)}


def kernels(step: Step) -> dict[str, int]:
    """Kernels, copies and fills of a step; nothing where the profiler does not run."""
    from torch.profiler import ProfilerActivity, profile

    try:
        with profile(activities=[ProfilerActivity.CUDA]) as trace:
            step()
            torch.cuda.synchronize()
        return {"kernels": sum(event.device_type == torch.autograd.DeviceType.CUDA for event in trace.events() or ())}
    except Exception as error:
        print(f"no kernels counted: {error}")
        return {}


def measure_graph(bench: Bench, case: Case, size: int, name: str) -> dict[str, Any]:
    """Forward and backward of the largest network, launched one by one and replayed as a CUDA graph."""
    net = case.supernet().to(bench.device)
    images, labels = case.batch(size, bench.device, channels_last=False)
    context = torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if name == "bf16" else nullcontext()

    def step() -> None:
        with context:
            logits = net(images)
        nn.functional.cross_entropy(logits.float(), labels).backward()

    def fresh() -> None:
        net.zero_grad(set_to_none=True)
        step()

    eager = bench.seconds(fresh, 5)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            fresh()
    torch.cuda.current_stream().wait_stream(side)
    net.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replayed = bench.seconds(graph.replay, 10)
    return {"ms": 1e3 * replayed, "eager ms": 1e3 * eager, "ratio": eager / replayed}


@contextmanager
def compiled_norms() -> Iterator[None]:
    """BatchNorm and its activation compiled into one function, for all shapes."""
    functions: dict[type, Any] = {}
    plain = ElasticBatchNormAct2d.forward

    def joined(self: Any, x: Tensor) -> Tensor:
        kind = type(self.act)
        if kind not in functions:
            act = {nn.SiLU: nn.functional.silu, nn.Identity: lambda y: y}[kind]

            def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
                return act(nn.functional.batch_norm(x, None, None, weight, bias, True, 0.0, 1e-5))

            functions[kind] = torch.compile(norm, dynamic=True)
        return functions[kind](x, self.weight[: x.shape[1]], self.bias[: x.shape[1]])

    ElasticBatchNormAct2d.forward = joined  # type: ignore[method-assign]
    try:
        yield
    finally:
        ElasticBatchNormAct2d.forward = plain  # type: ignore[method-assign]


def measure_evaluation(bench: Bench, case: Case, size: int, name: str, *, channels_last: bool) -> dict[str, Any]:
    """Images a second of a subnet's accuracy, images on the device."""
    preset = case.space.presets.get("a2") or case.space.smallest()
    net = case.supernet().to(bench.device)
    net = (net.to(memory_format=torch.channels_last) if channels_last else net).extract(preset).eval()
    images, labels = case.batch(size, bench.device, channels_last)
    batches = [(images, labels.cpu())] * (1 if bench.quick else 8)
    with precision(name), cast(bench, name):
        seconds = bench.seconds(lambda: evaluate(net, batches), 1 if bench.quick else 3, warm=1)
    return {"ms": 1e3 * seconds, "images/s": size * len(batches) / seconds}


# -- the program --------------------------------------------------------------------------------------------------


def measure(bench: Bench) -> None:
    """All rows."""
    measure_card(bench)
    resolutions, classes = ((24, 32), 10) if bench.quick else ((192, 224, 256, 288), 1000)
    paper = Case(
        "AttentiveNAS", get_space("attentive_nas", resolutions=resolutions), 32 if bench.quick else 224, classes
    )
    size = 2 if bench.quick else 64
    steps = lambda name, **how: lambda: measure_steps(bench, paper, how.pop("size", size), name, **how)  # noqa: E731
    plain = bench.row(f"plain step, batch {size}, fp32", steps("fp32", plain=True))
    for name in ("fp32",) if bench.quick else ("fp32", "tf32"):
        beside(bench.row(f"step, batch {size}, {name}", steps(name)), plain)
    beside(bench.row(f"step, batch {size}, bf16", steps("bf16")), plain)
    if not bench.quick:
        beside(bench.row(f"plain step, batch {size}, bf16", steps("bf16", plain=True)), plain)
        fill_card(bench, paper)
    small_steps(bench, channels_last=False)
    for name, channels_last in (("fp32", False), ("bf16", False), ("bf16", True)):
        layout = ", channels_last" if channels_last else ""
        bench.row(
            f"evaluation, a2, {name}{layout}",
            lambda name=name, last=channels_last: measure_evaluation(
                bench, paper, 8 if bench.quick else 256, name, channels_last=last
            ),
        )
    if bench.cuda:
        bench.row(
            "largest forward + backward as a graph, batch 64, bf16", lambda: measure_graph(bench, paper, 64, "bf16")
        )
        slimmable = Case("us_mobilenet_v1", get_space("us_mobilenet_v1", resolutions=(28,)), 28, 10)
        bench.row(
            "widest MobileNetV1 at 28 px as a graph, batch 128", lambda: measure_graph(bench, slimmable, 128, "tf32")
        )
        with compiled_norms():
            bench.row(f"step, batch {size}, bf16, BatchNorm and activation compiled", steps("bf16"))
    for name in ("bf16",) if bench.quick else ("tf32", "bf16"):
        beside(bench.row(f"step, batch {size}, {name}, channels_last", steps(name, channels_last=True)), plain)
    small_steps(bench, channels_last=True)


def beside(row: dict[str, Any], plain: dict[str, Any]) -> None:
    if "ms" in row and "ms" in plain:
        row["plain / this"] = plain["ms"] / row["ms"]


def fill_card(bench: Bench, case: Case) -> None:
    """The largest of a few batches that the card holds, and the paper's training at that rate."""
    for size in (512, 384, 256, 128):
        row = bench.row(f"step, batch {size}, bf16", lambda size=size: measure_steps(bench, case, size, "bf16"))
        if "ms" in row:
            hours = EPOCHS * IMAGENET / row["images/s"] / 3600
            weights = sum(parameter.numel() for parameter in case.supernet().parameters())
            reduced = 2 * 7 / 8 * 4 * weights / (ALL_REDUCE_GB * 1e9)  # a ring's, by no backward hidden
            eight = hours / 8 * (1 + reduced / (row["ms"] / 1e3))
            row |= {"hours on one card": hours, "hours on eight, reckoned": eight}
            return


def small_steps(bench: Bench, *, channels_last: bool) -> None:
    """Steps of 28-pixel images, where a GPU waits for launches."""
    once_for_all = build_space(read_config("configs/ofa_fashion_mnist.yaml"))
    cases = [Case("once-for-all at 28 px", once_for_all, 28, 10)]
    for name in ("us_mobilenet_v1", "us_mobilenet_v2"):
        cases.append(Case(f"{name} at 28 px", get_space(name, resolutions=(28,)), 28, 10))
    layout = ", channels_last" if channels_last else ""
    for case in cases[:2] if bench.quick else cases:
        size = 8 if bench.quick else 64 if case is cases[0] else 256
        for name in ("fp32",) if bench.quick else ("bf16",) if channels_last else ("tf32", "bf16"):
            bench.row(
                f"{case.name}, batch {size}, {name}{layout}",
                lambda case=case, size=size, name=name: measure_steps(
                    bench, case, size, name, channels_last=channels_last
                ),
            )


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """One table of all rows and the columns that any has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        lines.append(
            "| " + " | ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells) + " |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--output", type=Path, help="JSON file for the rows")
    args = parser.parse_args(arguments)
    card = torch.cuda.get_device_name() if args.device.startswith("cuda") else "CPU"
    bench = Bench(args.device, args.quick, args.output, f"torch {torch.__version__}, {card}")
    print(bench.title)
    measure(bench)
    bench.keep()
    print(f"\n{bench.title}\n\n{markdown(bench.rows)}")


if __name__ == "__main__":
    main()
