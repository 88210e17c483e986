"""The arithmetic of a supernet's step: forward and backward of a few archs on one batch, gradients added up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..spaces import Arch
from ..supernet import Supernet, gradients_in_place


class Pass(NamedTuple):
    """One forward and backward of a step.

    Attributes:
        arch: Which network.
        objective: (logits (B, K), labels, teacher's logits (B, K) or None) -> loss, such as `losses.Objective`.
        scale: Factor of its gradient (DepS, epsilon), BatchNorm's and the classifier's included.
        drop: Let dropout and stochastic depth act.
    """

    arch: Arch
    objective: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    scale: float = 1.0
    drop: bool = False


def add_gradients(
    supernet: Supernet,
    passes: Sequence[Pass],
    images: Tensor,
    labels: Tensor,
    teacher_logits: Tensor | None = None,
    *,
    forward: nn.Module | None = None,
    backward: Callable[[Tensor], Any] = Tensor.backward,
    around: Callable[[int], AbstractContextManager[Any]] = lambda number: nullcontext(),  # noqa: ARG005
) -> Tensor:
    """Add the gradients of a step's passes to those of the supernet; nothing is averaged, clipped or stepped.

    Each forward is followed by its backward before the next, so that one network's activations are held at a time.

    Args:
        supernet: What is trained.
        passes: In their order.
        images: (B, C, H, W).
        labels: (B,), or probabilities (B, K).
        teacher_logits: (B, K) of a fixed teacher; None for those of the first pass, detached: in-place distillation.
        forward: What computes logits, where the supernet is wrapped, as by DistributedDataParallel.
        backward: Of a scaled loss, as Accelerate's.
        around: Pass's number -> a context around its forward and backward.

    Returns:
        The passes' losses (n,), unscaled and detached.
    """
    losses: list[Tensor] = []
    alone, on_cpu = forward in (None, supernet), images.device.type == "cpu"
    with added_in_place(supernet) if alone and on_cpu else nullcontext():
        for number, one in enumerate(passes):
            with around(number), added_at_once(supernet) if alone and not on_cpu else nullcontext():
                supernet.activate(one.arch, drop=one.drop)
                logits = (supernet if forward is None else forward)(images)
                loss = one.objective(logits, labels, teacher_logits)
                if teacher_logits is None:
                    teacher_logits = logits.detach()
                backward(loss if one.scale == 1 else loss * one.scale)
            losses.append(loss.detach())
    return torch.stack(losses)


@contextmanager
def added_in_place(model: nn.Module) -> Iterator[None]:
    """Let the gradients that the block computes be added where they are to lie from its beginning on.

    For a CPU, where a gradient that is made among a backward's activations splits the memory that they leave. Those of
    parameters that took no part stay None. Not for a model whose gradients others wait for.
    """
    fresh = [parameter for parameter in model.parameters() if parameter.grad is None and parameter.requires_grad]
    for parameter in fresh:
        parameter.grad = torch.zeros_like(parameter)
    versions = [one.grad._version for one in fresh if one.grad is not None]
    try:
        with gradients_in_place():
            yield
    finally:
        for parameter, version in zip(fresh, versions, strict=True):
            if parameter.grad is not None and parameter.grad._version == version:
                parameter.grad = None


@contextmanager
def added_at_once(model: nn.Module) -> Iterator[None]:
    """Add the gradients that the block computes to those that were there by a few kernels, not by one for each weight.

    For a GPU, where kernels count; the sums are the same. Not for a model whose gradients others wait for
    (DistributedDataParallel).
    """
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    before = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    try:
        yield
    finally:
        both = [(old, new.grad) for old, new in zip(before, parameters, strict=True) if new.grad is not None]
        if both:
            torch._foreach_add_(*map(list, zip(*both, strict=True)))
        for old, parameter in zip(before, parameters, strict=True):
            parameter.grad = old
