"""Images a second of subnets and of timm's models: eager in NCHW as timm builds them, and after `alphanet_plugin.fuse`.

    python benchmarks/inference.py                                    # a0, a4 and two of timm's, batch 16, 2 threads
    python benchmarks/inference.py --models alphanet_a6 resnet18 --batch 1 --seconds 20

All are measured by turns, so that what else the machine does falls on all alike; the figures are medians, and the
ratio is the median over the turns. Each model takes images of its own resolution. MFLOPs are the multiply-adds that
fvcore counts in convolutions, linear layers and matrix products, as the papers count. The weights are random, every
BatchNorm's among them; the last column is the largest difference of the fused logits from the eager ones, over the
largest logit.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from alphanet_plugin import fuse

MODELS = ("alphanet_a0", "alphanet_a4", "efficientnet_b0", "mobilenetv3_large_100")
_COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")


@dataclass
class Subject:
    """One model in its two forms, and the seconds of their forward passes, by turns."""

    name: str
    side: int
    images: torch.Tensor
    eager: nn.Module
    fused: nn.Module
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"eager": [], "fused": []})


def prepare(name: str, batch: int) -> Subject:
    """Build a model at its own resolution, with random images (batch, 3, side, side)."""
    torch.manual_seed(0)
    model: Any = timm.create_model(name)
    side = model.pretrained_cfg["input_size"][-1]
    images = torch.randn(batch, 3, side, side)
    make_norms_tell(model, images)
    return Subject(name, side, images, model, fuse(model))


def make_norms_tell(model: nn.Module, images: torch.Tensor) -> None:
    """Random scale and shift in every BatchNorm, and the statistics of `images`, so that the logits depend on all."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            module.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(images)
    model.eval()


def mflops(subject: Subject) -> float:
    """Multiply-adds / 1e6 for one image, by fvcore."""
    counted = FlopCountAnalysis(subject.eager, subject.images[:1]).unsupported_ops_warnings(False)
    by_operator = counted.uncalled_modules_warnings(False).by_operator()
    return sum(by_operator[operator] for operator in _COUNTED) / 1e6


def difference(subject: Subject) -> float:
    """Largest difference of the two forms' logits, relative to the largest logit."""
    eager, fused = subject.eager(subject.images), subject.fused(subject.images)
    return float((eager - fused).abs().max() / eager.abs().max())


def measure(subjects: list[Subject], seconds: float) -> None:
    """Time every form of every model once a turn, for about `seconds` in all and at least five turns."""
    end = time.perf_counter() + seconds
    turn = 0
    while turn < 5 or time.perf_counter() < end:
        for subject in subjects:
            forms = {"eager": subject.eager, "fused": subject.fused}
            for form in sorted(forms, reverse=bool(turn % 2)):  # neither always follows the other
                start = time.perf_counter()
                forms[form](subject.images)
                subject.seconds[form].append(time.perf_counter() - start)
        turn += 1


def report(subject: Subject, batch: int) -> str:
    eager, fused = subject.seconds["eager"], subject.seconds["fused"]
    ratio = statistics.median(one / other for one, other in zip(eager, fused, strict=True))
    return (
        f"{subject.name:24} {subject.side:6} {mflops(subject):8.1f} {batch / statistics.median(eager):11.1f} "
        f"{batch / statistics.median(fused):8.1f} {ratio:6.2f} {difference(subject):10.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help="names for timm.create_model")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring, all models together")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"torch {torch.__version__}, timm {timm.__version__}, {platform.machine()} "
        f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, {args.threads} threads, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    subjects = [prepare(name, args.batch) for name in args.models]
    with torch.inference_mode():
        measure(subjects, 0.0)  # warms up
        for subject in subjects:
            subject.seconds = {"eager": [], "fused": []}
        measure(subjects, args.seconds)
        turns = len(subjects[0].seconds["eager"])
        print(f"float32, batch {args.batch}, {turns} turns; images/s at the median")
        print("model                    pixels   MFLOPs  eager NCHW    fused  ratio difference")
        for subject in subjects:
            print(report(subject, args.batch))


if __name__ == "__main__":
    main()
