"""The elastic depthwise convolution on a CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .compiled import call_compiled, has_compiled
from .norm_act import activations, gradient_before, gradient_factors, name_of, norm_gradient, norm_terms

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
    if _compiles(x, weight, kernel_size, stride):
        return _NormedDepthwise.apply(x, weight, kernel_size, stride, *_norm(None), *_norm(None))  # type: ignore[return-value]
    return _Depthwise.apply(x, weight, kernel_size, stride)  # type: ignore[return-value]


def normed_depthwise_conv(
    before: BatchNormAct2d | None, x: Tensor, weight: Tensor, kernel_size: int, stride: int, after: BatchNormAct2d
) -> tuple[Tensor, Tensor]:
    """The norm and activation `after` of `depthwise_conv` of those `before`, if any, of x (B, C', H, W).

    Both norms are those of training, without running statistics, and `joins` must allow them. By compiled functions
    fewer things go through memory: the activations between the norm and the convolution and their gradient are never
    written, the second norm's mean and variance are summed up as its input is made, and that input's gradient is made
    where the convolution's needs it. The backward keeps the inputs of both norms.

    Returns:
        The activations (B, C', H', W'), and their mean over H' and W' (B, C', 1, 1), whose gradient is not filled into
        images.
    """
    values = len(x) * math.prod(_sides(x, stride))
    if values > 1 and _compiles(x, weight, kernel_size, stride):
        given = x, weight, kernel_size, stride, *_norm(before), *_norm(after)
        return _NormedDepthwise.apply(*given)  # type: ignore[return-value]
    y = after(depthwise_conv(x if before is None else before(x), weight, kernel_size, stride))
    return y, image_means(y)


def image_means(x: Tensor) -> Tensor:
    """Of x (B, C, H, W), over H and W: (B, C, 1, 1). The gradient of torch's mean is as large as x."""
    return x.sum((2, 3), keepdim=True) / (x.shape[2] * x.shape[3])


def _compiles(x: Tensor, weight: Tensor, kernel_size: int, stride: int) -> bool:
    alike = (weight.dtype, weight.device) == (x.dtype, x.device)  # otherwise torch says what is wrong
    return kernel_size in (3, 5, 7) and stride in (1, 2) and alike and has_compiled(x)


def _norm(norm: BatchNormAct2d | None) -> tuple[Any, ...]:
    """Scale, bias, eps and activation."""
    return (None, None, 0.0, nn.Identity()) if norm is None else (norm.weight, norm.bias, norm.eps, norm.act)


class _NormedDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        size: int,
        stride: int,
        scale: Tensor | None,
        bias: Tensor | None,
        eps: float,
        act: nn.Module,
        after_scale: Tensor | None,
        after_bias: Tensor | None,
        after_eps: float,
        after_act: nn.Module,
    ) -> Any:
        ctx.set_materialize_grads(False)
        if scale is None or bias is None:
            terms = x.new_tensor([0.0, 1.0, 1.0, 0.0])[:, None].repeat(1, x.shape[1])
        else:
            terms = norm_terms(x, scale, bias, eps)
        y = torch.empty(len(x), x.shape[1], *_sides(x, stride), memory_format=torch.channels_last)
        taps, moments = _taps(weight, x.shape[1], size), terms.new_empty(2, x.shape[1], dtype=torch.float64)
        call_compiled(f"depthwise_forward_{name_of(act)}", x, terms, taps, y, moments, *_sizes(x, y), size, stride)
        ctx.settings = size, stride, eps, act, after_eps, after_act
        if after_scale is None or after_bias is None:
            ctx.save_for_backward(x, weight, terms, scale, None, None, None)
            return y
        after_terms = torch.empty_like(terms)
        call_compiled("terms_of_moments", moments, after_scale, after_bias, after_eps, after_terms, x.shape[1])
        ctx.save_for_backward(x, weight, terms, scale, y, after_terms, after_scale)
        of_images = y.new_empty(*y.shape[:2], 1, 1)
        return activations(y, after_terms, after_act, of_images), of_images

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, terms, scale, y, after_terms, after_scale = ctx.saved_tensors
        size, stride, eps, act, after_eps, after_act = ctx.settings
        grad = torch.zeros_like(y) if grad_outputs[0] is None else grad_outputs[0]  # of the means alone
        grad, after, factors = grad.contiguous(memory_format=torch.channels_last), None, None
        if after_scale is not None:
            grad, sums = gradient_before(grad, y, after_terms, after_act, grad_outputs[1])
            factors, *after = gradient_factors(sums, y, after_terms, after_scale, after_eps)
        taps = _taps(weight, x.shape[1], size)
        before, grad_taps = torch.empty_like(x), torch.empty_like(taps)
        sums = terms.new_empty(2, x.shape[1], dtype=torch.float64)
        given = grad, y, factors, x, terms, taps, before, sums, grad_taps, *_sizes(x, grad), size, stride
        call_compiled(f"depthwise_backward_{name_of(act)}", *given)
        of_norm = None
        if scale is not None:
            factors, *of_norm = gradient_factors(sums, x, terms, scale, eps)
            norm_gradient(factors, x, before)
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = torch.zeros_like(weight)
            _kernel(x, grad_weight, size).copy_(grad_taps.t().view(-1, 1, size, size))
        none = None, None
        return before, grad_weight, *none, *(of_norm or none), *none, *(after or none), *none


def _taps(weight: Tensor, channels: int, kernel_size: int) -> Tensor:
    """The centres of the first kernels, in rows of channels (K K, C)."""
    return centre(weight[:channels], kernel_size).flatten(1).t().contiguous()


def _sides(x: Tensor, stride: int) -> list[int]:
    return [(side - 1) // stride + 1 for side in x.shape[2:]]


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
