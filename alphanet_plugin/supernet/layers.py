"""Elastic twins of layers: the same parameters under the same names, computing with a leading slice of them.

A twin takes as many input channels as it is given. What it cannot read off its input, its number of outputs or its
kernel size, the supernet sets before the forward; None means all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import cast

import torch
from timm.layers import BatchNormAct2d, SEModule
from torch import nn
from torch.nn import functional as F

from ..models import MBConvBlock
from .depthwise import centre, depthwise_conv, image_means, normed_depthwise_conv
from .norm_act import has_hooks, joins, known_norm_act, norm_act
from .prefix_linear import gated_linear, prefix_linear


class ElasticConv2d(nn.Conv2d):
    """A convolution with the first `active_out` filters over the channels that come in.

    The twin of a depthwise convolution keeps as many channels as come in, and the centre `active_kernel` x
    `active_kernel` of its kernels. Padding is "same".
    """

    active_out: int | None = None
    active_kernel: int | None = None

    @classmethod
    def twin(cls, conv: nn.Conv2d) -> ElasticConv2d:
        """A convolution that shares the parameters of `conv`."""
        depthwise = conv.groups > 1
        if conv.padding_mode != "zeros" or conv.dilation != (1, 1) or (depthwise and conv.groups != conv.out_channels):
            raise NotImplementedError(f"no elastic twin for {conv}")
        with torch.device("meta"):
            twin = cls(
                conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0], groups=conv.groups,
                bias=conv.bias is not None,
            )  # fmt: skip
        twin.weight, twin.bias = conv.weight, conv.bias
        return twin.train(conv.training)

    def depthwise_weight(self, channels: int) -> tuple[torch.Tensor, int]:  # noqa: ARG002 - a kernel transform's
        """Of a depthwise one: at least `channels` kernels (C', 1, K, K), and the side of their active centres."""
        return self.weight, self.active_kernel or self.kernel_size[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels, (side, _) = x.shape[1], self.kernel_size
        out, kernel_size = self.active_out or self.out_channels, self.active_kernel or side
        on_cpu = _runs_on_cpu(x)
        if on_cpu:
            x = x.contiguous(memory_format=torch.channels_last)
        if self.groups > 1:
            if on_cpu and self.bias is None:
                return depthwise_conv(x, *self.depthwise_weight(channels), self.stride[0])
            out, groups, weight = channels, channels, self.weight[:channels]
        else:
            if on_cpu and side == 1 and self.stride == (1, 1):
                return prefix_linear(x, self.weight, self.bias, out)
            groups, weight = 1, self.weight[:out, :channels]
        bias = None if self.bias is None else self.bias[:out]
        if on_cpu:
            weight = centre(weight, kernel_size)
        else:
            weight = cropped(self.weight, (*weight.shape[:2], kernel_size, kernel_size))
        return conv2d(x, weight, bias, self.stride, groups)


def conv2d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: tuple[int, ...], groups: int
) -> torch.Tensor:
    """`F.conv2d`, padded "same"; on a GPU a depthwise one in planes, which is quicker there whatever x is."""
    planes = groups > 1 and x.device.type != "cpu" and not x.is_contiguous()
    y = F.conv2d(x.contiguous() if planes else x, weight, bias, stride, weight.shape[-1] // 2, groups=groups)
    return y.contiguous(memory_format=torch.channels_last) if planes else y


def cropped(weight: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The leading channels and the centre of kernels (O, I, K, K), as `shape` says.

    Unless they lie in one piece it is a copy, which a convolution makes of slices anyway, by one operation: its
    gradient is a tensor to fill and one to copy, where on a GPU each dimension's slice costs two kernels of its own.
    """
    out, channels, side, _ = (full - kept for full, kept in zip(weight.shape, shape, strict=True))
    if channels == side == 0:
        return weight[: shape[0]]
    return F.pad(weight, [-(side // 2)] * 4 + [0, -channels, 0, -out])


def _runs_on_cpu(x: torch.Tensor) -> bool:
    """Whether our own functions apply: they are for CPUs, and leave it to torch to mix types under autocast."""
    return x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


class KernelTransformConv2d(ElasticConv2d):
    """A depthwise convolution whose smaller kernels are learnt linear maps of the larger ones' centres.

    Once-for-all (Cai et al., ICLR 2020, section 3.3): a 5x5 kernel is `7to5_matrix` (25, 25) times the flattened centre
    of the 7x7 one, a 3x3 kernel `5to3_matrix` (9, 9) times the flattened centre of that, and so on down the layer's
    sizes; all channels share the matrices. They begin as identities, where a kernel is the centre of the larger one.
    """

    sizes: tuple[int, ...]

    @classmethod
    def of(cls, conv: ElasticConv2d, sizes: Iterable[int]) -> KernelTransformConv2d:
        """`conv`, a depthwise one, with matrices between the kernel sizes that it is used at."""
        twin = cast(KernelTransformConv2d, cls.twin(conv))
        twin.sizes = tuple(sorted(sizes, reverse=True))
        for large, small in itertools.pairwise(twin.sizes):
            matrix = torch.eye(small**2, device=conv.weight.device, dtype=conv.weight.dtype)
            twin.register_parameter(f"{large}to{small}_matrix", nn.Parameter(matrix))
        return twin

    def kernels(self, channels: int, kernel_size: int) -> torch.Tensor:
        """The first kernels (channels, 1, kernel_size, kernel_size)."""
        weight = self.weight[:channels]
        for large, small in itertools.pairwise(self.sizes):
            if large == kernel_size:
                break
            flat = centre(weight, small).reshape(channels, small**2)
            weight = F.linear(flat, self.get_parameter(f"{large}to{small}_matrix")).view(channels, 1, small, small)
        return weight

    def static_weight(self, like: torch.Tensor) -> torch.Tensor:
        """The weight of the static convolution whose weight has the shape of `like`."""
        return self.kernels(len(like), like.shape[-1])

    def depthwise_weight(self, channels: int) -> tuple[torch.Tensor, int]:
        weight, kernel_size = super().depthwise_weight(channels)
        return weight if kernel_size == self.kernel_size[0] else self.kernels(channels, kernel_size), kernel_size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if _runs_on_cpu(x) or self.active_kernel in (None, self.kernel_size[0]):
            return super().forward(x)
        return conv2d(x, self.depthwise_weight(x.shape[1])[0], None, self.stride, x.shape[1])


class ElasticBatchNormAct2d(BatchNormAct2d):
    """BatchNorm, and the activation that timm joins to it, over the leading channels.

    With momentum 0, as the supernet starts, no running statistics are kept in training: those of one subnet would be
    wrong for every other. Recalibration sets a momentum for its time, and then they are those of the active subnet.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: torch.Tensor | None
    running_var: torch.Tensor | None
    num_batches_tracked: torch.Tensor | None
    momentum: float | None
    eps: float
    act: nn.Module
    drop: nn.Module

    @classmethod
    def twin(cls, norm: nn.BatchNorm2d) -> ElasticBatchNormAct2d:
        """A BatchNorm that shares the parameters and buffers of `norm`, which may have an activation or not."""
        with torch.device("meta"):
            twin = cls(norm.num_features, eps=norm.eps, momentum=0.0, apply_act=False)
        twin.weight, twin.bias = norm.weight, norm.bias
        twin.running_mean, twin.running_var = norm.running_mean, norm.running_var
        twin.num_batches_tracked = norm.num_batches_tracked
        if isinstance(norm, BatchNormAct2d):
            twin.act, twin.drop = cast(nn.Module, norm.act), cast(nn.Module, norm.drop)
            if isinstance(twin.act, (nn.SiLU, nn.Hardswish, nn.ReLU6)):
                twin.act.inplace = False  # in place, autograd would copy the input first
        return twin.train(norm.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels, momentum = x.shape[1], self.momentum
        mean, var = self.running_mean, self.running_var
        if self.training and momentum == 0.0:
            mean = var = None
        elif mean is not None and var is not None:
            mean, var = mean[:channels], var[:channels]
            if self.training and self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if momentum is None:
                    momentum = 1.0 / float(self.num_batches_tracked)
        known = None if self.training or mean is None or var is None else (mean, var)
        if isinstance(self.drop, nn.Identity) and joins(x, self.act):
            if known is None:
                x, (batch_mean, batch_var) = norm_act(x, self.weight, self.bias, self.eps, self.act)
                if mean is not None and var is not None:
                    values = x.numel() // channels
                    mean.lerp_(batch_mean, momentum or 0.0)
                    var.lerp_(batch_var * (values / (values - 1)), momentum or 0.0)
                return x
            if not torch.is_grad_enabled():
                return known_norm_act(x, *known, self.weight, self.bias, self.eps, self.act)
        x = F.batch_norm(
            x, mean, var, self.weight[:channels], self.bias[:channels], known is None, momentum or 0.0, self.eps
        )
        return self.act(self.drop(x))


class ElasticMBConvBlock(MBConvBlock):
    """A block of elastic layers that keeps less for its backward."""

    @classmethod
    def twin(cls, block: MBConvBlock) -> ElasticMBConvBlock:
        """A block of the same layers."""
        twin = cls.__new__(cls)
        twin.__dict__.update(block.__dict__)
        return twin

    def filter(self, x: torch.Tensor) -> torch.Tensor:
        se, project = self.se, self.conv_pwl
        joined = torch.is_grad_enabled() and _runs_on_cpu(x)
        if not joined or has_hooks(self.bn1, self.conv_dw, self.bn2, se, project):
            return super().filter(x)
        x, means = self._normed_depthwise(x)
        if not (isinstance(se, SEModule) and isinstance(project, ElasticConv2d)):
            return project(se(x))
        x = x.contiguous(memory_format=torch.channels_last)
        gate = image_means(x) if means is None else means
        for layer in (se.fc1, se.bn, se.act, se.fc2, se.gate):
            gate = cast(nn.Module, layer)(gate)
        return gated_linear(x, gate, project.weight, project.active_out or project.out_channels)

    def _normed_depthwise(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The output of the second norm, and perhaps its means over each image."""
        before, conv, after = self.bn1, self.conv_dw, self.bn2
        if isinstance(conv, ElasticConv2d) and conv.bias is None and _keeps_nothing(after, x):
            given = *conv.depthwise_weight(x.shape[1]), conv.stride[0], cast(ElasticBatchNormAct2d, after)
            if isinstance(before, nn.Identity):
                return normed_depthwise_conv(None, x, *given)
            if _keeps_nothing(before, x):
                return normed_depthwise_conv(cast(ElasticBatchNormAct2d, before), x, *given)
        return after(conv(before(x))), None


def _keeps_nothing(norm: nn.Module, x: torch.Tensor) -> bool:
    """Whether a norm makes of x what `norm_act` does, and nothing else."""
    if not (isinstance(norm, ElasticBatchNormAct2d) and norm.training and norm.momentum == 0.0):
        return False
    return isinstance(norm.drop, nn.Identity) and joins(x, norm.act)


class ElasticLinear(nn.Linear):
    """A linear layer over the features that come in, with all its outputs."""

    @classmethod
    def twin(cls, linear: nn.Linear) -> ElasticLinear:
        """A linear layer that shares the parameters of `linear`."""
        with torch.device("meta"):
            twin = cls(linear.in_features, linear.out_features, linear.bias is not None)
        twin.weight, twin.bias = linear.weight, linear.bias
        return twin.train(linear.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if _runs_on_cpu(x) and x.ndim == 2:
            return prefix_linear(x, self.weight, self.bias, self.out_features)
        return F.linear(x, self.weight[:, : x.shape[-1]], self.bias)


class ElasticSequential(nn.Sequential):
    """The first `active_depth` modules of a sequence."""

    active_depth: int | None = None

    @classmethod
    def twin(cls, sequence: nn.Sequential) -> ElasticSequential:
        """A sequence of the same modules."""
        return cls(*sequence).train(sequence.training)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        for number, module in enumerate(self):
            if number == self.active_depth:
                break
            input = module(input)
        return input


_TWINS = {
    nn.Conv2d: ElasticConv2d,
    nn.BatchNorm2d: ElasticBatchNormAct2d,
    nn.Linear: ElasticLinear,
    MBConvBlock: ElasticMBConvBlock,
}


def make_elastic(module: nn.Module) -> None:
    """Replace every convolution, BatchNorm, linear layer and block below `module` by its elastic twin, in place."""
    for name, child in module.named_children():
        for static, elastic in _TWINS.items():
            if isinstance(child, static):
                child = elastic.twin(child)
                setattr(module, name, child)
                break
        make_elastic(child)
