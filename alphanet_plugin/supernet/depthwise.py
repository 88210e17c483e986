"""The elastic depthwise convolution on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .compiled import call_compiled, has_compiled
from .norm_act import norm_act_backward, norm_act_forward, norm_terms

_CHUNK_BYTES = 2 * 2**20


def centre(weight: Tensor, kernel_size: int) -> Tensor:
    """The middle `kernel_size` x `kernel_size` of kernels (..., K, K)."""
    start = (weight.shape[-1] - kernel_size) // 2
    return weight[..., start : start + kernel_size, start : start + kernel_size]


def depthwise_conv(x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
    """x (B, C', H, W) by the centres of the first C' kernels of weight (C, 1, K, K), padded "same".

    Differs from `F.conv2d` in how gradients are computed. For the weight's, of channels_last float32, oneDNN has a fast
    kernel only up to three columns wide and for images no smaller than the kernel; what it does otherwise takes 3 to
    100 times as long (oneDNN 3.13, AVX2). Compiled functions take its place there and where the stride is 2, and
    without them pieces of the kernel that oneDNN is fast at. At stride 1 the input's gradient is a convolution by the
    kernel turned around, which oneDNN does in 0.6 to 0.9 of the time of its gradient.
    """
    return _Depthwise.apply(x, weight, kernel_size, stride)  # type: ignore[return-value]


def norm_depthwise(norm: BatchNormAct2d, x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
    """`depthwise_conv` of `norm_act` of x, which `joins` must allow.

    What lies between the two is as large as x. It is made again for the backward, which keeps x alone.
    """
    given = norm.weight, norm.bias, norm.eps, norm.act, weight, kernel_size, stride
    return _NormDepthwise.apply(x, *given)  # type: ignore[return-value]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kernel_size, ctx.stride = kernel_size, stride
        return _convolve(x, weight, kernel_size, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        return (
            *_gradients(grad_outputs[0], x, weight, ctx.kernel_size, ctx.stride, ctx.needs_input_grad[:2]),
            None,
            None,
        )


class _NormDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        bias: Tensor,
        eps: float,
        act: nn.Module,
        weight: Tensor,
        size: int,
        stride: int,
    ) -> Tensor:
        terms = norm_terms(x, scale, bias, eps)
        ctx.save_for_backward(x, terms, scale, weight)
        ctx.eps, ctx.act, ctx.size, ctx.stride = eps, act, size, stride
        return _convolve(norm_act_forward(x, terms, act), weight, size, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, terms, scale, weight = ctx.saved_tensors
        y = norm_act_forward(x, terms, ctx.act)
        grad_y, grad_weight = _gradients(
            grad_outputs[0], y, weight, ctx.size, ctx.stride, (True, ctx.needs_input_grad[5])
        )
        del y
        assert grad_y is not None
        grad_y = grad_y.contiguous(memory_format=torch.channels_last)
        grads = norm_act_backward(grad_y, x, terms, scale, ctx.eps, ctx.act, grad_x=grad_y)
        return *grads, None, None, grad_weight, None, None


def _convolve(x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
    kernel = centre(weight[: x.shape[1]], kernel_size)
    return F.conv2d(x, kernel, None, stride, kernel_size // 2, groups=x.shape[1])


def _gradients(
    grad: Tensor, x: Tensor, weight: Tensor, kernel_size: int, stride: int, wanted: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Of x and of weight, where wanted."""
    kernel = centre(weight[: x.shape[1]], kernel_size)
    grad_x = _input_gradient(grad, x, kernel, stride) if wanted[0] else None
    grad_weight = None
    if wanted[1]:
        grad_weight = torch.zeros_like(weight)
        centre(grad_weight[: x.shape[1]], kernel_size).copy_(_kernel_gradient(grad, x, kernel, stride))
    return grad_x, grad_weight


def _input_gradient(grad: Tensor, x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Gradient (B, C, H, W)."""
    padding = kernel.shape[-1] // 2
    if stride == 1:
        return F.conv2d(grad, kernel.flip(2, 3), None, 1, padding, groups=x.shape[1])
    return _backward(grad, x, kernel, stride, padding, [True, False])[0]


def _kernel_gradient(grad: Tensor, x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Gradient (C, 1, K, K), by what is fast here."""
    channels, kernel_size = x.shape[1], kernel.shape[-1]
    direct = kernel_size <= min(3, *x.shape[2:])
    if (stride > 1 or not direct) and kernel_size in (3, 5, 7) and has_compiled(grad, x):
        taps = x.new_empty(kernel_size**2, channels)
        sizes = len(x), *x.shape[2:], *grad.shape[2:], channels, stride
        call_compiled(f"kernel_gradient_{kernel_size}", grad, x, taps, *sizes)
        return taps.t().view(channels, 1, kernel_size, kernel_size)
    if direct:
        return _backward(grad, x, kernel, stride, kernel_size // 2, [False, True])[1]
    return _gradient_of_columns(grad, x, kernel_size, stride)


def _gradient_of_columns(grad: Tensor, x: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Gradient (C, 1, K, K), at most three of its columns at a time, over pieces of the batch that fit in the cache."""
    pad = kernel_size // 2
    total = x.new_zeros(x.shape[1], 1, kernel_size, kernel_size)
    images = max(1, _CHUNK_BYTES // (x[0].numel() * x.element_size()))
    for first in range(0, kernel_size, 3):
        columns = total[..., first : first + 3]
        right = kernel_size - first - columns.shape[-1]
        if max(first, right) - pad >= x.shape[-1]:
            continue  # these columns see padding only
        for some_x, some_grad in zip(x.split(images), grad.split(images), strict=True):
            padded = F.pad(some_x, (pad - first, pad - right, pad, pad))
            columns += _backward(some_grad, padded, columns, stride, 0, [False, True])[1]
    return total


def _backward(grad: Tensor, x: Tensor, kernel: Tensor, stride: int, padding: int, wanted: list[bool]):
    """Gradients of x and of the kernel, where wanted."""
    grad_x, grad_kernel, _ = torch.ops.aten.convolution_backward(
        grad, x, kernel, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], x.shape[1], [*wanted, False]
    )
    return grad_x, grad_kernel
