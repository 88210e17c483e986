"""Training's BatchNorm and activation in one, on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .compiled import call_compiled, has_compiled

_NAMES: dict[type[nn.Module], str] = {
    nn.Identity: "none",
    nn.SiLU: "silu",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.Hardswish: "hard_swish",
}


def joins(x: Tensor, act: nn.Module) -> bool:
    """Whether `norm_act` takes these images (B, C, H, W) and this activation here."""
    return (
        type(act) in _NAMES
        and x.numel() > x.shape[1]  # of one value torch says what is wrong
        and not torch.is_autocast_enabled("cpu")
        and has_compiled(x)
    )


def norm_act(x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module) -> tuple[Tensor, Tensor]:
    """`act` of x (B, C, H, W) normalised over B, H and W by the first C of weight and bias (C',).

    Only x is kept for the backward, and each pass over memory serves both operations: 8 of them instead of 13.

    Returns:
        The activations (B, C, H, W) in channels_last; the batch's mean and biased variance (2, C), without gradient.
    """
    y, terms = _NormAct.apply(x, weight, bias, float(eps), act)  # type: ignore[misc]
    return y, terms[:2]


def norm_terms(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """The batch's mean and biased variance, and the factor and summand that the norm is then: (4, C)."""
    terms = x.new_empty(4, x.shape[1])
    call_compiled("norm_terms", x, weight, bias, eps, terms, *_rows(x))
    return terms


def norm_gradient(
    sums: Tensor, x: Tensor, terms: Tensor, weight: Tensor, eps: float, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of weight and bias; `grad`, of what the norm makes of x (B, C, H, W), becomes that of x.

    Args:
        sums: Of that gradient, and of its product with x less its mean: (2, C) in float64.
        x: What is normalised.
        terms: Its `norm_terms`.
        weight: (C',).
        eps: Of the norm.
        grad: (B, C, H, W) in channels_last.
    """
    grad_weight, grad_bias = x.new_zeros(2, len(weight))
    call_compiled("norm_gradient", sums, x, terms, eps, grad, grad_weight, grad_bias, *_rows(x))
    return grad_weight, grad_bias


def name_of(act: nn.Module) -> str:
    """What compiled functions call an activation."""
    return _NAMES[type(act)]


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module) -> tuple[Tensor, Tensor]:
        terms = norm_terms(x, weight, bias, eps)
        ctx.save_for_backward(x, terms, weight)
        ctx.eps, ctx.act = eps, act
        ctx.mark_non_differentiable(terms)
        y = torch.empty_like(x)
        call_compiled(f"forward_{name_of(act)}", x, terms, y, *_rows(x))
        return y, terms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, terms, weight = ctx.saved_tensors
        grad = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        grad_x, (grad_weight, grad_bias) = torch.empty_like(x), x.new_zeros(2, len(weight))
        given = grad, x, terms, ctx.eps, grad_x, grad_weight, grad_bias
        call_compiled(f"backward_{name_of(ctx.act)}", *given, *_rows(x))
        return grad_x, grad_weight, grad_bias, None, None


def _rows(x: Tensor) -> tuple[int, int]:
    return x.numel() // x.shape[1], x.shape[1]
