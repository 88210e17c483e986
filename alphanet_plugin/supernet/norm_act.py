"""Training's BatchNorm and activation in one, on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules import module as module_globals

from .compiled import call_compiled, has_compiled

_NAMES: dict[type[nn.Module], str] = {
    nn.Identity: "none",
    nn.SiLU: "silu",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.Hardswish: "hard_swish",
}


def has_hooks(*modules: nn.Module) -> bool:
    """Whether anyone waits for what goes into or comes out of a module, which must then be called by itself."""
    own = (
        hooks
        for one in modules
        for hooks in (one._forward_hooks, one._forward_pre_hooks, one._backward_hooks, one._backward_pre_hooks)
    )
    return any(own) or bool(module_globals._has_any_global_hook())


def joins(x: Tensor, act: nn.Module) -> bool:
    """Whether `norm_act` takes these images (B, C, H, W) and this activation here."""
    return (
        type(act) in _NAMES
        and not has_hooks(act)
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


def known_norm_act(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float, act: nn.Module
) -> Tensor:
    """`act` of x (B, C, H, W) normalised by a mean and variance (C,) that are known; without gradient."""
    terms = x.new_empty(4, x.shape[1])
    moments = torch.stack([mean, var]).double()
    call_compiled("terms_of_moments", moments, weight, bias, eps, terms, x.shape[1])
    return activations(x, terms, act)


def norm_terms(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """The batch's mean and biased variance, and the factor and summand that the norm is then: (4, C)."""
    terms = x.new_empty(4, x.shape[1])
    call_compiled("norm_terms", x, weight, bias, eps, terms, *_rows(x))
    return terms


def activations(x: Tensor, terms: Tensor, act: nn.Module, means: Tensor | None = None) -> Tensor:
    """`act` of what the norm makes of x (B, C, H, W), by its `norm_terms`; means (B, C) become each image's."""
    y = torch.empty_like(x)
    call_compiled(f"forward_{name_of(act)}", x, terms, y, means, *_sizes(x))
    return y


def gradient_before(
    grad: Tensor, x: Tensor, terms: Tensor, act: nn.Module, of_means: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """By the gradient of `activations`, and of their means, that of what the norm makes of x (B, C, H, W).

    Returns:
        It, and the sums over B, H and W of it and of its product with x less its mean: (2, C) in float64.
    """
    before, sums = torch.empty_like(x), terms.new_empty(2, x.shape[1], dtype=torch.float64)
    grad = grad.contiguous(memory_format=torch.channels_last)
    of_means = None if of_means is None else of_means.contiguous()
    call_compiled(f"backward_{name_of(act)}", grad, of_means, x, terms, before, sums, *_sizes(x))
    return before, sums


def gradient_factors(
    sums: Tensor, x: Tensor, terms: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """By the sums of `gradient_before`: what makes x's gradient of it (4, C), and those of weight and bias (C',)."""
    grad_weight, grad_bias = x.new_zeros(2, len(weight))
    factors = torch.empty_like(terms)
    call_compiled("gradient_factors", sums, terms, eps, factors, grad_weight, grad_bias, *_rows(x))
    return factors, grad_weight, grad_bias


def norm_gradient(factors: Tensor, x: Tensor, before: Tensor) -> Tensor:
    """The gradient of x (B, C, H, W), in the memory of that of `gradient_before`."""
    call_compiled("norm_gradient", factors, x, before, *_rows(x))
    return before


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
        return activations(x, terms, act), terms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, terms, weight = ctx.saved_tensors
        before, sums = gradient_before(grad_outputs[0], x, terms, ctx.act)
        factors, *grads = gradient_factors(sums, x, terms, weight, ctx.eps)
        return norm_gradient(factors, x, before), *grads, None, None


def _rows(x: Tensor) -> tuple[int, int]:
    return x.numel() // x.shape[1], x.shape[1]


def _sizes(x: Tensor) -> tuple[int, int, int]:
    """Rows of all images and of one, and channels."""
    return x.numel() // x.shape[1], x.shape[2] * x.shape[3], x.shape[1]
