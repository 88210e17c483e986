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
    return _NormAct.apply(x, weight, bias, float(eps), act)  # type: ignore[return-value]


def norm_act_forward(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module, moments: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`norm_act` without a gradient: activations, and the batch's mean and biased variance (2, C), or those given."""
    sizes, y = (x.numel() // x.shape[1], x.shape[1]), torch.empty_like(x)
    if moments is None:
        moments = x.new_empty(2, x.shape[1])
        call_compiled("moments", x, *moments, *sizes)
    call_compiled(f"forward_{_NAMES[type(act)]}", x, *moments, weight, bias, eps, y, *sizes)
    return y, moments


def norm_act_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module, moments: Tensor, grad_x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias, by the activations' in channels_last; `grad_x` may be the same tensor."""
    grad_weight, grad_bias = x.new_zeros(2, len(weight))
    given = (grad, x, *moments, weight, bias, eps, grad_x, grad_weight, grad_bias)
    call_compiled(f"backward_{_NAMES[type(act)]}", *given, x.numel() // x.shape[1], x.shape[1])
    return grad_x, grad_weight, grad_bias


class _NormAct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module) -> tuple[Tensor, Tensor]:
        y, moments = norm_act_forward(x, weight, bias, eps, act)
        ctx.save_for_backward(x, weight, bias, moments)
        ctx.eps, ctx.act = eps, act
        ctx.mark_non_differentiable(moments)
        return y, moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, moments = ctx.saved_tensors
        grad, grad_x = grad_outputs[0].contiguous(memory_format=torch.channels_last), torch.empty_like(x)
        return *norm_act_backward(grad, x, weight, bias, ctx.eps, ctx.act, moments, grad_x), None, None
