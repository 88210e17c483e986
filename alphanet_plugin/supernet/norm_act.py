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


def norm_act(x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """`act` of x (B, C, H, W) normalised over B, H and W by the first C of weight and bias (C',).

    Only x is kept for the backward, and each pass over memory serves both operations: 8 of them instead of 13.

    Returns:
        The activations (B, C, H, W) in channels_last, and the batch's mean and biased variance (C,), without gradient.
    """
    return _NormAct.apply(x, weight, bias, float(eps), _NAMES[type(act)])  # type: ignore[return-value]


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, (mean, var) = torch.empty_like(x), x.new_empty(2, x.shape[1])
        call_compiled(f"forward_{act}", x, weight, bias, eps, y, mean, var, x.numel() // x.shape[1], x.shape[1])
        ctx.save_for_backward(x, weight, bias, mean, var)
        ctx.eps, ctx.act = eps, act
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        x, weight, bias, mean, var = ctx.saved_tensors
        grad = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        grad_x, (grad_weight, grad_bias) = torch.empty_like(x), x.new_zeros(2, len(weight))
        given = (grad, x, mean, var, weight, bias, ctx.eps, grad_x, grad_weight, grad_bias)
        call_compiled(f"backward_{ctx.act}", *given, x.numel() // x.shape[1], x.shape[1])
        return grad_x, grad_weight, grad_bias, None, None
