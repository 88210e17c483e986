"""Matrix product with the leading block of a weight: the elastic 1x1 convolution and linear layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .compiled import call_compiled, has_compiled

_adds_in_place = False
_LARGE = 2**26  # multiply-adds from which a product is worth a convolution's set-up


@contextmanager
def gradients_in_place() -> Iterator[None]:
    """Inside, a backward adds the gradients of weights that have some to them itself, the leading block alone.

    Autograd's way is a tensor of the whole weight filled with zeros, and its sum with what was there. Nobody may wait
    for the gradients, as DistributedDataParallel does; the threads of a process share this.
    """
    global _adds_in_place
    before, _adds_in_place = _adds_in_place, True
    try:
        yield
    finally:
        _adds_in_place = before


def prefix_linear(x: Tensor, weight: Tensor, bias: Tensor | None, out_channels: int) -> Tensor:
    """x (B, I', ...) by the first `out_channels` rows and I' columns of weight (O, I) or (O, I, 1, 1).

    Without a copy where x is channels_last, and then the output (B, O', ...) is. The slices of the weight are read and
    their gradients written where they lie; autograd's own slicing fills and copies a full weight for every dimension.
    """
    rows = x.movedim(1, -1)
    y = _PrefixLinear.apply(rows.reshape(-1, x.shape[1]), weight, bias, out_channels)
    return y.view(*rows.shape[:-1], out_channels).movedim(-1, 1)  # type: ignore[union-attr]


def gated_linear(x: Tensor, gate: Tensor, weight: Tensor, out_channels: int) -> Tensor:
    """`prefix_linear` of x (B, I', H, W) times gate (B, I', 1, 1), in channels_last, without keeping the product.

    It is as large as x, and of an inverted residual block x is the largest that the backward needs. Where images have
    many more pixels than there are outputs, the gate scales a weight for each image, and x is not touched by it at all.
    """
    y = _GatedLinear.apply(x, gate, weight, out_channels)
    return y.view(len(x), *x.shape[2:], out_channels).movedim(-1, 1)  # type: ignore[union-attr]


class _PrefixLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, out_channels: int) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.bias_size = None if bias is None else len(bias)
        block = _leading(weight, out_channels, rows.shape[1])
        return _product(rows, block) if bias is None else torch.addmm(bias[:out_channels], rows, block.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (rows, weight), (grad,) = ctx.saved_tensors, grad_outputs
        out_channels, in_channels = grad.shape[1], rows.shape[1]
        grad_rows = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_rows = _product(grad, _leading(weight, out_channels, in_channels).t())
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(weight, grad.t(), rows)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.new_zeros(ctx.bias_size)
            torch.sum(grad, 0, out=grad_bias[:out_channels])
        return grad_rows, grad_weight, grad_bias, None


class _GatedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, weight: Tensor, out_channels: int) -> Tensor:
        ctx.save_for_backward(x, gate, weight)
        block = _leading(weight, out_channels, x.shape[1])
        if _scales_weights(x, out_channels):
            return torch.bmm(_images(x), _gated(block, gate).transpose(1, 2)).flatten(0, 1)
        return _product(_rows(x * gate), block)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (x, gate, weight), (grad,) = ctx.saved_tensors, grad_outputs
        out_channels, in_channels = grad.shape[1], x.shape[1]
        block, shape = _leading(weight, out_channels, in_channels), (len(x), *x.shape[2:], in_channels)
        grad_weight = None
        if _scales_weights(x, out_channels):
            grad = grad.view(len(x), -1, out_channels)
            grad_x = torch.bmm(grad, _gated(block, gate)).view(shape).movedim(-1, 1)
            product = torch.bmm(grad.transpose(1, 2), _images(x))  # with no gate, of each image
            grad_gate = (product * block).sum(1).view_as(gate)
            if ctx.needs_input_grad[2]:
                grad_weight = _weight_gradient(weight, _gated(product, gate).sum(0))
            return grad_x, grad_gate, grad_weight, None
        if ctx.needs_input_grad[2]:
            grad_weight = _weight_gradient(weight, grad.t(), _rows(x * gate))
        grad_x = _product(grad, block.t()).view(shape).movedim(-1, 1)
        grad_gate = torch.empty_like(gate)
        if has_compiled(grad_x, x) and gate.is_contiguous():
            call_compiled("gate_gradient", grad_x, x, gate, grad_gate, len(x), x.shape[2] * x.shape[3], in_channels)
        else:
            torch.sum(grad_x * x, (2, 3), keepdim=True, out=grad_gate)
            grad_x.mul_(gate)
        return grad_x, grad_gate, grad_weight, None


def _product(rows: Tensor, weight: Tensor) -> Tensor:
    """rows (N, I) by weight (O, I) turned around: (N, O).

    With AVX2 and no AVX-512 a large product is left to oneDNN, as a convolution of an image of one column: 1.05 to 1.6
    times as fast as MKL's (EPYC of the first generation, two cores; 331,776 by 24 and 144, 60 and 39 ms).
    """
    large = rows.dtype == torch.float32 and rows.shape[0] * weight.numel() >= _LARGE
    if not (large and _prefers_convolutions() and rows.is_contiguous() and rows.device.type == "cpu"):
        return rows @ weight.t()
    image = rows.view(1, len(rows), 1, -1).permute(0, 3, 1, 2)
    # F.conv2d would go elsewhere with one thread.
    y = torch.ops.aten.mkldnn_convolution(image, weight[:, :, None, None], None, [0, 0], [1, 1], [1, 1], 1)
    y = y.permute(0, 2, 3, 1).reshape(len(rows), -1)
    return y.data  # to autograd a tensor of its own: activations may work in place, which it forbids in a view


@cache
def _prefers_convolutions() -> bool:
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX2"


def _weight_gradient(weight: Tensor, left: Tensor, right: Tensor | None = None) -> Tensor | None:
    """The gradient of a weight whose leading block's is left, or left times right; None where it has been added."""
    shape = len(left), (left if right is None else right).shape[1]
    hooks = weight._backward_hooks or weight._post_accumulate_grad_hooks
    in_place = _adds_in_place and weight.is_leaf and weight.grad is not None and not hooks
    grad = weight.grad if in_place else torch.zeros_like(weight, memory_format=torch.contiguous_format)
    assert grad is not None
    block = _leading(grad, *shape)
    if right is None:
        block.add_(left)
    elif len(right) < 4096 or len(right) % 4:
        block.addmm_(left, right)
    else:
        block.add_(_product_of_long(left.t(), right))
    return None if in_place else grad


def _product_of_long(left: Tensor, right: Tensor) -> Tensor:
    """left (N, O) turned around, times right (N, I), where N is large.

    In four parts, so that threads need not divide so small a product, and the shorter side first, as MKL's kernels are
    longer in that direction: 82,944 by 192 and 32, 6.6 and 3.7 ms on two cores; 5,184 by 432 and 72, 1.4 and 1.0 ms.
    """
    if left.shape[1] > right.shape[1]:
        return _product_of_long(right, left).t()
    parts = (one.reshape(4, -1, one.shape[1]) for one in (left, right))
    return torch.bmm(next(parts).transpose(1, 2), next(parts)).sum(0)


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B H W, C), without a copy where it is channels_last."""
    return x.movedim(1, -1).reshape(-1, x.shape[1])


def _images(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H W, C), without a copy where it is channels_last."""
    return _rows(x).view(len(x), -1, x.shape[1])


def _gated(weight: Tensor, gate: Tensor) -> Tensor:
    """A weight (O, C), or one (B, O, C) for each image, times gate (B, C, 1, 1): (B, O, C)."""
    return weight * gate.flatten(1)[:, None]


def _scales_weights(x: Tensor, out_channels: int) -> bool:
    """Whether it is quicker to scale weights, by timing: 1.5 to 1.8 times at 18 and more, 0.9 at 2.5 times as many."""
    return x.shape[2] * x.shape[3] >= 8 * out_channels


def _leading(weight: Tensor, rows: int, columns: int) -> Tensor:
    """The leading block (rows, columns) of a weight (O, I) or (O, I, 1, 1), where it lies."""
    return weight.flatten(1)[:rows, :columns]
