"""Distillation losses beside F.kl_div and adaptive alpha written plainly: time by turns, and bytes at the peak.

KINETO_LOG_LEVEL=99 python benchmarks/kd_losses.py [--batch 4096] [--classes 1000] [--rounds 7] [--threads 1]

The variable silences the profiler's own log.

A turn is one forward and one backward in float32 on the CPU; each round gives every loss a turn, in an order that
moves on by one. A ratio is the median over the rounds of this loss's time over the other's in the same round. Bytes are
those that torch's allocator hands out during a turn beyond both logits, as torch.profiler records every allocation and
release (temporaries inside an operator included), relative to the bytes of one network's logits; the gradient that
backward leaves, 1.0, is among them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from alphanet_plugin.losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KLDivergence,
    LabelSmoothingCrossEntropy,
    Objective,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)

Loss = Callable[[Tensor, Tensor], Tensor]
KL_DIV, TWO_PASS = "F.kl_div", "adaptive alpha, two plain passes"


def kl_div(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(p || q) as torch has it."""
    return F.kl_div(student.log_softmax(-1), teacher.log_softmax(-1), reduction="batchmean", log_target=True)


def plain_divergence(student: Tensor, teacher: Tensor, alpha: float, clip: float = 5.0) -> Tensor:
    """D_alpha per sample in the reference form: eq. 3 clipped, with eq. 5 as its gradient, all by autograd."""
    log_p, log_q = teacher.log_softmax(-1), student.log_softmax(-1)
    if alpha == 1.0:
        return (log_p.exp() * (log_p - log_q)).sum(-1)
    q = log_q.exp()
    weight = ((log_p - log_q) * alpha).exp().clamp(max=clip).detach()
    value = (q * (weight - 1)).sum(-1) / (alpha * (alpha - 1))
    surrogate = -(q.detach() * weight * log_q).sum(-1) / alpha
    return value.detach() + surrogate - surrogate.detach()


def two_passes(student: Tensor, teacher: Tensor) -> Tensor:
    """The larger of the divergences at -1 and at 1, each worked out from the logits on its own."""
    return torch.maximum(*(plain_divergence(student, teacher, alpha) for alpha in (-1.0, 1.0))).mean()


def turn(loss: Loss, student: Tensor, teacher: Tensor) -> float:
    """Seconds of one forward and backward."""
    student.grad = None
    start = time.perf_counter()
    loss(student, teacher).backward()
    return time.perf_counter() - start


def peak_bytes(loss: Loss, student: Tensor, teacher: Tensor) -> int:
    """Most bytes of the allocator's at any moment of one turn, beyond what was there before."""
    student.grad = None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss(student, teacher).backward()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = [event for event in json.loads(trace.read_text())["traceEvents"] if event.get("name") == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: float(event["ts"])):
        held += int(event["args"]["Bytes"])
        peak = max(peak, held)
    return peak


def losses(labels: Tensor) -> dict[str, Loss]:
    """What is measured, by name."""
    label_loss, objective = LabelSmoothingCrossEntropy(0.1), Objective(KLDivergence(4.0), 0.9, 0.0)
    return {
        KL_DIV: kl_div,
        TWO_PASS: two_passes,
        "adaptive_alpha, reference": AdaptiveAlphaDivergence(),
        "adaptive_alpha, paper": AdaptiveAlphaDivergence(form="paper"),
        "adaptive_alpha, exact": AdaptiveAlphaDivergence(form="exact"),
        "adaptive_alpha, temperature 4": AdaptiveAlphaDivergence(temperature=4.0),
        "alpha = -1": AlphaDivergence(-1.0),
        "kl": KLDivergence(),
        "kl, temperature 4": KLDivergence(4.0),
        "reverse_kl": ReverseKLDivergence(),
        "symmetric_kl": SymmetricKLDivergence(),
        "none: cross entropy on labels": lambda student, _: label_loss(student, labels),
        "fixed teacher: 0.1 CE + 0.9 kl": lambda student, teacher: objective(student, labels, teacher),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("batch", 4096), ("classes", 1000), ("rounds", 7), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    generator = torch.Generator().manual_seed(0)
    student, teacher = (2 * torch.randn(options.batch, options.classes, generator=generator) for _ in range(2))
    student.requires_grad_()
    measured = losses(torch.randint(options.classes, (options.batch,), generator=generator))
    names = list(measured)

    plain, ours = two_passes(student, teacher), measured["adaptive_alpha, reference"](student, teacher)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    slopes = [torch.autograd.grad(value, student)[0] for value in (ours, plain)]
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-3 / options.batch)
    del plain, ours, slopes

    seconds: dict[str, list[float]] = {name: [] for name in names}
    for loss in measured.values():
        turn(loss, student, teacher)  # warm up
    for number in range(options.rounds):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            seconds[name].append(turn(measured[name], student, teacher))

    def ratio(name: str, other: str) -> float:
        return statistics.median(one / two for one, two in zip(seconds[name], seconds[other], strict=True))

    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"batch {options.batch} x {options.classes} float32, forward + backward, torch {torch.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads, {options.rounds} rounds, load {load}")
    print(f"{'':32}  {'time / kl_div':>13}  {'time / two plain passes':>23}  {'peak bytes / logits':>19}")
    for name, loss in measured.items():
        peak = peak_bytes(loss, student, teacher) / student.nbytes
        print(f"{name:32}  {ratio(name, KL_DIV):13.2f}  {ratio(name, TWO_PASS):23.2f}  {peak:19.2f}")


if __name__ == "__main__":
    main()
