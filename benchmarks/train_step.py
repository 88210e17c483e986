"""Times the sandwich step of the supernet beside a plain way to write it, and compares their gradients.

    python benchmarks/train_step.py                                                       # 192..288 pixels, batch 16
    python benchmarks/train_step.py --resolutions 24,32,40,48 --input 48 --batch 64 --classes 10      # the quickstart's
    python benchmarks/train_step.py --space ofa_mbv3_cifar --resolutions 28 --input 28 --batch 64 --classes 10
    python benchmarks/train_step.py --space us_mobilenet_v1 --resolutions 24 --input 24 --batch 32 --classes 10

A step is: the largest network on the labels, two networks and the smallest by adaptive alpha-divergence from the
largest, every forward followed by its backward; gradients clipped at 1.0 by element; SGD with Nesterov momentum. The
plain way is `make_plain` and `torch.optim.SGD(foreach=False)`: NCHW, contiguous slices of the weights, swish as an
autograd function that computes its sigmoid again. Each runs in a process of its own, set up as a program that trains
would: the product's calls `keep_freed_memory`, the plain one leaves the allocator as it is (unless `--same-memory`);
threads wait for each other as in `alphanet train`. `--beside 1,2,4` times the product beside so many busy processes as
well, and compares that with its share of the cores, which is (threads + busy) / cores times as long.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from alphanet_plugin import get_space
from alphanet_plugin.cli.process import keep_freed_memory, restart_with_patient_threads
from alphanet_plugin.losses import AdaptiveAlphaDivergence, Objective
from alphanet_plugin.spaces import Arch, SearchSpace
from alphanet_plugin.supernet import (
    ElasticBatchNormAct2d,
    ElasticConv2d,
    ElasticLinear,
    Supernet,
    build_supernet,
    describe_kernels,
    use_kernels,
)  # fmt: skip
from alphanet_plugin.supernet.compiled import Kernels
from alphanet_plugin.training import Pass, add_gradients

# -- the plain way ------------------------------------------------------------------------------------------------


class Swish(torch.autograd.Function):
    """x sigmoid(x), keeping x only."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        sigmoid = torch.sigmoid(x)
        return grad_outputs[0] * (sigmoid * (1 + x * (1 - sigmoid)))


class PlainConv(ElasticConv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups = x.shape[1] if self.groups > 1 else 1
        size = self.active_kernel or self.kernel_size[0]
        out = x.shape[1] if groups > 1 else self.active_out or self.out_channels
        start = (self.kernel_size[0] - size) // 2
        centre = slice(start, start + size)
        weight = self.weight[:out, : x.shape[1] // groups, centre, centre].contiguous()
        bias = None if self.bias is None else self.bias[:out].contiguous()
        return F.conv2d(x, weight, bias, self.stride, size // 2, groups=groups)


class PlainNorm(ElasticBatchNormAct2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weight[: x.shape[1]].contiguous(), self.bias[: x.shape[1]].contiguous()
        x = F.batch_norm(x, None, None, weight, bias, True, 0.0, self.eps)
        return Swish.apply(x) if isinstance(self.act, nn.SiLU) else self.act(x)  # type: ignore[return-value]


class PlainLinear(ElasticLinear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight[:, : x.shape[-1]].contiguous(), self.bias)


PLAIN = {ElasticConv2d: PlainConv, ElasticBatchNormAct2d: PlainNorm, ElasticLinear: PlainLinear}


def make_plain(net: Supernet) -> Supernet:
    """Let the layers of a supernet compute the plain way, in planes (NCHW)."""
    for module in net.modules():
        module.__class__ = PLAIN.get(type(module), type(module))
    return net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def plain_alpha_divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Adaptive alpha-divergence at -1 and 1 with beta 5, as released: a surrogate whose gradient is eq. 5's."""
    log_q, log_p = F.log_softmax(student, dim=1), F.log_softmax(teacher, dim=1)
    q, p = log_q.exp().detach(), log_p.exp()
    ratio = torch.exp(log_q.detach() - log_p).clamp(0, 5)  # (p / q)^-1
    low = (q * (ratio - 1)).sum(1) / (-1.0 * -2.0)
    high = (p * (log_p - log_q.detach())).sum(1)
    low_surrogate = (q * (ratio / -1.0) * -log_q).sum(1)
    high_surrogate = -(p * log_q).sum(1)
    return torch.where(high > low, high_surrogate, low_surrogate).mean()


# -- the two steps ------------------------------------------------------------------------------------------------


def plain_step(net: Supernet, archs: Sequence[Arch]) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """Gradients of one sandwich, the plain way."""

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        net.activate(archs[0])
        logits = net(images)
        F.cross_entropy(logits, labels, label_smoothing=0.1).backward()
        teacher = logits.detach()
        for arch in archs[1:]:
            net.activate(arch)
            plain_alpha_divergence(net(images), teacher).backward()

    return step


def product_step(net: Supernet, archs: Sequence[Arch]) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """Gradients of one sandwich as the product's trainer adds them up."""
    first, others = Objective(label_smoothing=0.1), Objective(kd=AdaptiveAlphaDivergence())
    passes = [Pass(arch, others if number else first) for number, arch in enumerate(archs)]

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        add_gradients(net, passes, images, labels)

    return step


def make_optimizer(net: nn.Module, **options: bool) -> torch.optim.SGD:
    """SGD with decay on matrices and kernels only."""
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": 1e-5},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True, **options)


# -- measuring ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What both do."""

    space_name: str
    resolutions: tuple[int, ...]
    side: int
    batch: int
    classes: int
    threads: int
    same_memory: bool
    kernels: Kernels = "auto"

    def space(self) -> SearchSpace:
        return get_space(self.space_name, resolutions=self.resolutions)

    def archs(self) -> list[Arch]:
        """Largest, two of the middle, smallest; the two are presets of AttentiveNAS, and random in other spaces."""
        space, rng = self.space(), np.random.default_rng(0)
        middle = [space.presets[name] for name in ("a5_base", "a2") if self.space_name == "attentive_nas"]
        return [space.largest(), *(middle or [space.sample(rng), space.sample(rng)]), space.smallest()]

    def images(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(size, 3, self.side, self.side, generator=generator)
        return images, torch.randint(self.classes, (size,), generator=generator)


def build_product(case: Case, random_norms: bool = False) -> Supernet:
    """The supernet as training starts, where the last norm of a block may be 0, or with every norm in 0.5..1.0."""
    torch.manual_seed(0)
    net = build_supernet(case.space(), num_classes=case.classes, resize_input=True).train()
    for module in net.modules():
        if random_norms and isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_plain(case: Case, random_norms: bool = False) -> Supernet:
    """The plain network, with the product's weights."""
    return make_plain(build_product(case, random_norms))


def timed_steps(name: str, case: Case, count: int, pipe: Connection) -> None:
    """Send the seconds of some steps, for gradients and for clipping and update, after one that warms up.

    At last, the most memory that the process had in use, in bytes.
    """
    torch.set_num_threads(case.threads)
    product = name == "product"
    if product or case.same_memory:
        keep_freed_memory()
    use_kernels(case.kernels)
    if product:
        net = build_product(case)
        step, optimizer = product_step(net, case.archs()), make_optimizer(net, fused=True)
    else:
        net = build_plain(case)
        step, optimizer = plain_step(net, case.archs()), make_optimizer(net, foreach=False)
    images, labels = case.images(case.batch)
    for number in range(count + 1):
        start = time.perf_counter()
        step(images, labels)
        middle = time.perf_counter()
        nn.utils.clip_grad_value_(net.parameters(), 1.0, foreach=product)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if number:
            pipe.send((middle - start, time.perf_counter() - middle))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def measure(case: Case, rounds: int, count: int = 2) -> tuple[dict[str, list[tuple[float, float]]], dict[str, int]]:
    """Seconds of steps, by turns: both would not fit in memory together; and the most memory in use, in bytes."""
    context = multiprocessing.get_context("spawn")
    times: dict[str, list[tuple[float, float]]] = {"product": [], "plain": []}
    memory = dict.fromkeys(times, 0)
    for _ in range(rounds):
        for name, rows in times.items():
            ours, theirs = context.Pipe()
            process = context.Process(target=timed_steps, args=(name, case, count, theirs))
            process.start()
            rows.extend(ours.recv() for _ in range(count))
            memory[name] = max(memory[name], ours.recv())
            process.join()
    return times, memory


def spin() -> None:
    """A busy process."""
    while True:
        pass


def seconds_beside(case: Case, busy: int, count: int = 3) -> float:
    """Median seconds of a step of the product beside so many busy processes."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=spin, daemon=True) for _ in range(busy)]
    ours, theirs = context.Pipe()
    for process in (*others, training := context.Process(target=timed_steps, args=("product", case, count, theirs))):
        process.start()
    try:
        seconds = [sum(ours.recv()) for _ in range(count)]
        training.join()
    finally:
        for process in others:
            process.kill()
    return statistics.median(seconds)


def report_beside(case: Case, counts: Sequence[int]) -> None:
    alone, cores = seconds_beside(case, 0), len(os.sched_getaffinity(0))
    print(f"product alone {alone:.3f} s a step")
    for busy in counts:
        longer = seconds_beside(case, busy) / alone
        share = max(1.0, (case.threads + busy) / cores)
        print(
            f"beside {busy} busy: {longer:.2f} x as long, its share {share:.2f} x; longer / share: {longer / share:.2f}"
        )


def gradient_errors(case: Case, size: int, random_norms: bool) -> dict[str, float]:
    """Relative L2 errors of both in float32, and of the product in float64, against the plain way in float64."""
    images, labels = case.images(size)
    product, plain = build_product(case, random_norms), build_plain(case, random_norms)
    found = {}
    for kind in (torch.float32, torch.float64):
        for title, net, step in (
            ("product", product, product_step(product, case.archs())),
            ("plain", plain, plain_step(plain, case.archs())),
        ):
            net.to(kind)
            step(images.to(kind), labels)
            found[f"{title} {str(kind).removeprefix('torch.')}"] = gradients(net)
            net.float()
    exact = found.pop("plain float64")
    return {name: float((flat - exact).norm() / exact.norm()) for name, flat in found.items()}


def gradients(net: nn.Module) -> torch.Tensor:
    """All gradients (n,) in float64 by name, and clear them."""
    flat = torch.cat([p.grad.double().flatten() for _, p in sorted(net.named_parameters()) if p.grad is not None])
    net.zero_grad(set_to_none=True)
    return flat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="attentive_nas", help="a space's name or the path of its table")
    parser.add_argument("--resolutions", default="192,224,256,288")
    parser.add_argument("--input", type=int, default=224, help="side of the images, resized to each arch's resolution")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3, help="rounds; each takes two steps of both")
    parser.add_argument("--same-memory", action="store_true", help="call keep_freed_memory for the plain way as well")
    parser.add_argument("--kernels", choices=("auto", "plain", "compiled"), default="auto", help="of the product")
    parser.add_argument("--check-batch", type=int, default=4, help="batch of the float64 comparison; 0 skips it")
    parser.add_argument("--beside", metavar="N,N", help="also time the product beside so many busy processes")
    args = parser.parse_args()
    restart_with_patient_threads()
    case = Case(
        space_name=args.space,
        resolutions=tuple(int(side) for side in args.resolutions.split(",")),
        side=args.input,
        batch=args.batch,
        classes=args.classes,
        threads=args.threads,
        same_memory=args.same_memory,
        kernels=args.kernels,
    )
    use_kernels(args.kernels)
    torch.set_num_threads(args.threads)
    print(
        f"torch {torch.__version__}, {platform.machine()} {torch.backends.cpu.get_cpu_capability()}, "
        f"{os.cpu_count()} cores, {args.threads} threads, load {os.getloadavg()[0]:.1f}"
    )
    print(f"batch {args.batch}, {args.input} pixels, resolutions {args.resolutions}, {args.classes} classes")
    print(f"{args.space}, kernels: {args.kernels}, {describe_kernels()}")
    report(*measure(case, args.repeats))
    if args.beside:
        report_beside(case, [int(busy) for busy in args.beside.split(",")])
    if args.check_batch:
        print(f"relative L2 error of the gradients against the plain way in float64, batch {args.check_batch}:")
        for random_norms in (False, True):
            print("  with random norms:" if random_norms else "  as training starts:")
            for name, error in gradient_errors(case, args.check_batch, random_norms).items():
                print(f"    {name:16} {error:.1e}")


def report(times: dict[str, list[tuple[float, float]]], memory: dict[str, int]) -> None:
    print("seconds a step     best   median   medians of gradients + update")
    totals = {name: [sum(parts) for parts in rows] for name, rows in times.items()}
    for name, rows in times.items():
        parts = " + ".join(f"{statistics.median(column):.3f}" for column in zip(*rows, strict=True))
        print(f"{name:14} {min(totals[name]):8.3f} {statistics.median(totals[name]):8.3f}   {parts}")
    best = min(totals["plain"]) / min(totals["product"])
    paired = statistics.median(p / q for p, q in zip(totals["plain"], totals["product"], strict=True))
    print(f"plain / product: {best:.2f} by the best, {paired:.2f} by the median of pairs")
    held = ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in memory.items())
    print(f"most memory in use: {held}; product / plain: {memory['product'] / memory['plain']:.2f}")


if __name__ == "__main__":
    main()
