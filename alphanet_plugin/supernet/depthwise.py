"""The elastic depthwise convolution on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_CHUNK_BYTES = 2 * 2**20


def centre(weight: Tensor, kernel_size: int) -> Tensor:
    """The middle `kernel_size` x `kernel_size` of kernels (..., K, K)."""
    start = (weight.shape[-1] - kernel_size) // 2
    return weight[..., start : start + kernel_size, start : start + kernel_size]


def depthwise_conv(x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
    """x (B, C', H, W) by the centres of the first C' kernels of weight (C, 1, K, K), padded "same".

    Differs from `F.conv2d` in how the weight's gradient is computed. For channels_last float32, oneDNN has a fast
    kernel only up to three columns wide and for images no smaller than the kernel; what it does otherwise takes 3 to
    100 times as long (oneDNN 3.13, AVX2).
    """
    return _Depthwise.apply(x, weight, kernel_size, stride)  # type: ignore[return-value]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kernel_size, ctx.stride = kernel_size, stride
        kernel = centre(weight[: x.shape[1]], kernel_size)
        return F.conv2d(x, kernel, None, stride, kernel_size // 2, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        (grad,) = grad_outputs
        kernel = centre(weight[: x.shape[1]], ctx.kernel_size)
        direct = ctx.kernel_size <= min(3, *x.shape[2:])
        needs_x, needs_weight = ctx.needs_input_grad[:2]
        grad_x, grad_kernel = _backward(
            grad, x, kernel, ctx.stride, ctx.kernel_size // 2, [needs_x, needs_weight and direct]
        )
        grad_weight = None
        if needs_weight:
            grad_weight = torch.zeros_like(weight)
            grad_kernel = grad_kernel if direct else _kernel_gradient(grad, x, ctx.kernel_size, ctx.stride)
            centre(grad_weight[: x.shape[1]], ctx.kernel_size).copy_(grad_kernel)
        return grad_x, grad_weight, None, None


def _kernel_gradient(grad: Tensor, x: Tensor, kernel_size: int, stride: int) -> Tensor:
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
