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
    call_compiled("norm_terms", x, weight, bias, eps, terms, x.numel() // x.shape[1], x.shape[1])
    return terms


def norm_act_forward(x: Tensor, terms: Tensor, act: nn.Module) -> Tensor:
    """The activations of x (B, C, H, W) by its `norm_terms`."""
    y = torch.empty_like(x)
    call_compiled(f"forward_{_NAMES[type(act)]}", x, terms, y, x.numel() // x.shape[1], x.shape[1])
    return y


def norm_act_backward(
    grad: Tensor, x: Tensor, terms: Tensor, weight: Tensor, eps: float, act: nn.Module, grad_x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias, by the activations' in channels_last; `grad_x` may be the same tensor."""
    grad_weight, grad_bias = x.new_zeros(2, len(weight))
    sizes = x.numel() // x.shape[1], x.shape[1]
    call_compiled(f"backward_{_NAMES[type(act)]}", grad, x, terms, eps, grad_x, grad_weight, grad_bias, *sizes)
    return grad_x, grad_weight, grad_bias


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module) -> tuple[Tensor, Tensor]:
        terms = norm_terms(x, weight, bias, eps)
        ctx.save_for_backward(x, terms, weight)
        ctx.eps, ctx.act = eps, act
        ctx.mark_non_differentiable(terms)
        return norm_act_forward(x, terms, act), terms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, terms, weight = ctx.saved_tensors
        grad = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        return *norm_act_backward(grad, x, terms, weight, ctx.eps, ctx.act, torch.empty_like(x)), None, None
