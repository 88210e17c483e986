"""The elastic depthwise convolution on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .compiled import call_compiled, has_compiled
from .norm_act import name_of, norm_gradient, norm_terms

_CHUNK_BYTES = 2 * 2**20


def centre(weight: Tensor, kernel_size: int) -> Tensor:
    """The middle `kernel_size` x `kernel_size` of kernels (..., K, K)."""
    start = (weight.shape[-1] - kernel_size) // 2
    return weight[..., start : start + kernel_size, start : start + kernel_size]


def depthwise_conv(x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
    """x (B, C', H, W) by the centres of the first C' kernels of weight (C, 1, K, K), padded "same".

    By compiled functions if they take it. What replaces them differs from `F.conv2d` in how gradients are computed. For
    the weight's, of channels_last float32, oneDNN has a fast kernel only up to three columns wide and for images no
    smaller than the kernel; what it does otherwise takes 3 to 100 times as long (oneDNN 3.13, AVX2). Pieces of the
    kernel that it is fast at take its place. At stride 1 the input's gradient is a convolution by the kernel turned
    around, which oneDNN does in 0.6 to 0.9 of the time of its gradient.
    """
    if _compiles(x, kernel_size, stride):
        return _Compiled.apply(x, None, None, 0.0, nn.Identity(), weight, kernel_size, stride)  # type: ignore[return-value]
    return _Depthwise.apply(x, weight, kernel_size, stride)  # type: ignore[return-value]


def norm_depthwise(norm: BatchNormAct2d, x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
    """`depthwise_conv` of `norm_act` of x, which `joins` must allow.

    Compiled functions write nothing to memory that lies between the two, and keep x alone for the backward.
    """
    if not _compiles(x, kernel_size, stride):
        return depthwise_conv(norm(x), weight, kernel_size, stride)
    given = norm.weight, norm.bias, norm.eps, norm.act, weight, kernel_size, stride
    return _Compiled.apply(x, *given)  # type: ignore[return-value]


def _compiles(x: Tensor, kernel_size: int, stride: int) -> bool:
    return kernel_size in (3, 5, 7) and stride in (1, 2) and has_compiled(x)


class _Compiled(torch.autograd.Function):
    """Of x, or of its norm and activation if there is a scale."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor | None,
        bias: Tensor | None,
        eps: float,
        act: nn.Module,
        weight: Tensor,
        size: int,
        stride: int,
    ) -> Tensor:
        if scale is None or bias is None:
            terms = x.new_tensor([0.0, 1.0, 1.0, 0.0])[:, None].repeat(1, x.shape[1])
        else:
            terms = norm_terms(x, scale, bias, eps)
        ctx.save_for_backward(x, terms, scale, weight)
        ctx.eps, ctx.act, ctx.size, ctx.stride = eps, act, size, stride
        sides = [(side - 1) // stride + 1 for side in x.shape[2:]]
        y = torch.empty(len(x), x.shape[1], *sides, memory_format=torch.channels_last)
        taps = _taps(weight, x.shape[1], size)
        call_compiled(f"depthwise_forward_{name_of(act)}", x, terms, taps, y, *_sizes(x, y), size, stride)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, terms, scale, weight = ctx.saved_tensors
        grad = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        channels, taps = x.shape[1], _taps(weight, x.shape[1], ctx.size)
        grad_x, grad_taps, sums = torch.empty_like(x), torch.empty_like(taps), terms.new_empty(2, channels).double()
        given = grad, x, terms, taps, grad_x, sums, grad_taps, *_sizes(x, grad), ctx.size, ctx.stride
        call_compiled(f"depthwise_backward_{name_of(ctx.act)}", *given)
        grad_scale = grad_bias = grad_weight = None
        if scale is not None:
            grad_scale, grad_bias = norm_gradient(sums, x, terms, scale, ctx.eps, grad_x)
        if ctx.needs_input_grad[5]:
            grad_weight = torch.zeros_like(weight)
            _kernel(x, grad_weight, ctx.size).copy_(grad_taps.t().view(channels, 1, ctx.size, ctx.size))
        return grad_x, grad_scale, grad_bias, None, None, grad_weight, None, None


def _taps(weight: Tensor, channels: int, kernel_size: int) -> Tensor:
    """The centres of the first kernels, in rows of channels (K K, C)."""
    return centre(weight[:channels], kernel_size).flatten(1).t().contiguous()


def _sizes(x: Tensor, y: Tensor) -> tuple[int, ...]:
    return len(x), *x.shape[2:], *y.shape[2:], x.shape[1]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kernel_size, ctx.stride = kernel_size, stride
        return F.conv2d(x, _kernel(x, weight, kernel_size), None, stride, kernel_size // 2, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (x, weight), (grad,) = ctx.saved_tensors, grad_outputs
        kernel = _kernel(x, weight, ctx.kernel_size)
        grad_x = _input_gradient(grad, x, kernel, ctx.stride) if ctx.needs_input_grad[0] else None
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = torch.zeros_like(weight)
            _kernel(x, grad_weight, ctx.kernel_size).copy_(_kernel_gradient(grad, x, kernel, ctx.stride))
        return grad_x, grad_weight, None, None


def _kernel(x: Tensor, weight: Tensor, kernel_size: int) -> Tensor:
    return centre(weight[: x.shape[1]], kernel_size)


def _input_gradient(grad: Tensor, x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Gradient (B, C, H, W)."""
    padding = kernel.shape[-1] // 2
    if stride == 1:
        return F.conv2d(grad, kernel.flip(2, 3), None, 1, padding, groups=x.shape[1])
    return _backward(grad, x, kernel, stride, padding, [True, False])[0]


def _kernel_gradient(grad: Tensor, x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Gradient (C, 1, K, K), by what is fast here."""
    kernel_size = kernel.shape[-1]
    if kernel_size <= min(3, *x.shape[2:]):
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
