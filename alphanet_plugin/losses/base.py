"""What every knowledge-distillation loss shares: its shape, its checks, and log-probabilities that stay finite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from alphanet_plugin.errors import brief

LOG_FLOOR = -1e30
"""No log-probability is smaller: far below anything that exp() can see, far above float32's overflow."""


class KDLoss(nn.Module, ABC):
    """A knowledge-distillation loss: the mean over the batch of one number per sample, teacher detached."""

    def forward(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Mean loss (scalar) of `student_logits (B, K)` against `teacher_logits (B, K)`."""
        check_logits(student_logits, teacher_logits)
        return self.per_sample(student_logits, teacher_logits.detach()).mean()

    @abstractmethod
    def per_sample(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Losses `(B,)` of logits `(B, K)` that `forward` checked and detached; float32, float64 for float64."""


def check_logits(student_logits: Tensor, teacher_logits: Tensor) -> None:
    """Raise ValueError unless both are floating-point logits of one shape (B, K), B and K at least 1."""
    check_matrix("student_logits", student_logits)
    check_matrix("teacher_logits", teacher_logits)
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            "student_logits and teacher_logits must have the same shape (B, K), "
            f"got {tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}"
        )


def check_matrix(name: str, logits: Tensor) -> None:
    """Raise ValueError unless `logits` is a floating-point, non-empty (B, K)."""
    if logits.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (B, K), got shape {tuple(logits.shape)}")
    if not logits.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {logits.dtype}")
    if logits.numel() == 0:
        raise ValueError(f"{name} must hold at least one sample and one class, got shape {tuple(logits.shape)}")


def log_probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """log softmax(logits / temperature) over the last dimension, every entry in [-1e30, 0].

    Half precision becomes float32 (float64 stays). Value and gradient are finite for finite logits of any
    size, and for -inf beside a finite one; NaN stays NaN.
    """
    return _FiniteLogSoftmax.apply(logits, temperature)  # pyright: ignore[reportReturnType]


class _FiniteLogSoftmax(torch.autograd.Function):
    """Log softmax whose floors do not stop the gradient, as those of `Tensor.clamp` would."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, temperature: float) -> Tensor:
        wide = logits if logits.dtype == torch.float64 else logits.float()
        shifted = wide - wide.amax(dim=-1, keepdim=True)  # -inf where the difference overflows
        shifted.clamp_(min=LOG_FLOOR).div_(temperature)  # floored before: T^2 KL stays finite for T > 1 too
        log_p = shifted.log_softmax(dim=-1).clamp_(min=LOG_FLOOR)
        ctx.save_for_backward(log_p)
        ctx.temperature, ctx.dtype = temperature, logits.dtype
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (log_p,) = ctx.saved_tensors
        (grad,) = grad_outputs
        mass = grad.sum(dim=-1, keepdim=True)
        return log_p.exp().mul_(mass).neg_().add_(grad).div_(ctx.temperature).to(ctx.dtype), None


def number_between(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float if it is a number in [low, high] (NaN is not); ValueError naming it otherwise."""
    if isinstance(value, Real) and not isinstance(value, bool) and low <= cast(float, value) <= high:
        return float(value)
    raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {brief(value)}")
