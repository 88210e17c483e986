"""The native face: the AttentiveNAS network in NNI's own mutable layers, under the static model's names."""

from __future__ import annotations

from typing import Any, cast

import nni
import torch
from nni.mutable import Mutable, MutableExpression
from nni.nas.nn.pytorch import (
    MutableBatchNorm2d,  # pyright: ignore[reportAttributeAccessIssue]  # NNI writes these when it is first imported
    MutableConv2d,  # pyright: ignore[reportAttributeAccessIssue]
    MutableLinear,  # pyright: ignore[reportAttributeAccessIssue]
    ParametrizedModule,
    Repeat,
)
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.profiler.pytorch.utils import ShapeTensor
from torch import nn
from torch.nn import functional as F

from ...models import Shortcut, family_of
from ...spaces import MobileSpace, SearchSpace
from ...spaces.network import make_divisible
from ...spaces.table import StageRow
from .samples import open_genes

Value = Any  # a number, or NNI's choice or expression of it


class Resize(ParametrizedModule, disable_init_wrapper=False):
    """Images (B, C, H, W) -> (B, C, S, S), bicubic.

    Args:
        size: S, or a choice of it.
    """

    def __init__(self, size: Value):
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return resize(x, self.size)


def resize(x: torch.Tensor, size: int) -> torch.Tensor:
    """Images at another side, as the static model resizes them."""
    return F.interpolate(x, size=(size, size), mode="bicubic", align_corners=False)


class NativeNetwork(nn.Module):
    """The whole network. Its parameters are those of the static model, with ``blocks.S.blocks.B`` for ``blocks.S.B``.

    Args:
        space: The space ``attentive_nas``, or a subspace of it in which no gene follows another.
        num_classes: Outputs of the classifier.

    Raises:
        ValueError: It is another space.
    """

    def __init__(self, space: SearchSpace, num_classes: int):
        super().__init__()
        if not family_of(space).in_nnis_layers or len(space.genes) < len(space.places):
            raise ValueError(f"face='native' is there for attentive_nas alone, not {space!r:.60}; use 'fast'")
        self.space = space
        table = cast(MobileSpace, space).table
        self.num_classes = num_classes
        # NNI knows a choice by its label: the same object everywhere, and a number where there is nothing to choose.
        genes: dict[str, Value] = {gene.name: gene.choices[0] for gene in space.genes}
        genes.update({gene.name: nni.choice(gene.name, list(gene.choices)) for gene in open_genes(space)})
        self.resize = Resize(size=genes["resolution"])
        stem = genes["stem.width"]
        self.conv_stem = _conv(space.in_chans, stem, 3, stride=2)
        self.bn1 = _norm(stem)
        stages, in_channels = [], stem
        for stage in table.stages:
            prefix = f"{stage.name}."
            own = {key.removeprefix(prefix): value for key, value in genes.items() if key.startswith(prefix)}
            stages.append(_stage(stage, in_channels, own))
            in_channels = own["width"]
        self.blocks = nn.ModuleList(stages)
        expanded, head = table.head.expand_ratio * in_channels, genes["head.width"]
        self.conv_expand = _conv(in_channels, expanded, 1)
        self.bn2 = _norm(expanded)
        self.conv_head = _conv(expanded, head, 1)
        self.classifier = MutableLinear(in_features=head, out_features=num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) -> logits (B, num_classes)."""
        if isinstance(x, ShapeTensor):  # NNI's profilers ask for shapes alone
            return ShapeTensor(x.elem.new_empty(len(x.elem), self.num_classes))
        x = F.silu(self.bn1(self.conv_stem(self.resize(x))))
        for stage in self.blocks:
            x = stage(x)
        x = F.silu(self.bn2(self.conv_expand(x)))
        x = F.silu(self.conv_head(x.mean((2, 3), keepdim=True)))
        return self.classifier(x.flatten(1))

    @property
    def is_shared(self) -> bool:
        """Whether a one-shot strategy has made this a supernet."""
        return any(isinstance(module, BaseSuperNetModule) for module in self.modules())

    def shared_tensors(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers by the static model's names."""
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {_static_name(name): tensor for name, tensor in tensors.items()}


def _static_name(name: str) -> str:
    first, *rest = name.split(".")
    if first == "blocks" and rest[1:2] == ["blocks"]:
        del rest[1]
    return ".".join([first, *rest])


class NativeBlock(nn.Module):
    """`MBConvBlock` in mutable layers."""

    def __init__(
        self,
        in_channels: Value,
        out_channels: Value,
        kernel_size: Value,
        expand: Value,
        *,
        se: bool,
        stride: int,
        first: bool,
    ):
        super().__init__()
        self.expands = expand != 1 if isinstance(expand, int) else True
        mid = in_channels * expand if self.expands else in_channels
        if self.expands:
            self.conv_pw = _conv(in_channels, mid, 1)
            self.bn1 = _norm(mid)
        self.conv_dw = _conv(mid, mid, kernel_size, stride=stride, groups=mid)
        self.bn2 = _norm(mid)
        self.se = NativeSE(mid) if se else nn.Identity()
        self.conv_pwl = _conv(mid, out_channels, 1)
        self.bn3 = _norm(out_channels)
        self.shortcut = NativeShortcut(in_channels, out_channels, stride, may_project=first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.silu(self.bn1(self.conv_pw(x))) if self.expands else x
        y = self.se(F.silu(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return y + self.shortcut(x, y.shape[1])


class NativeSE(nn.Module):
    """Squeeze-and-excitation (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: Value):
        super().__init__()
        hidden = _divisible(channels // 4)
        self.fc1 = _conv(channels, hidden, 1, bias=True)
        self.fc2 = _conv(hidden, channels, 1, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class NativeShortcut(nn.Module):
    """The block's input, pooled where it strides, projected where the number of channels that run differs."""

    def __init__(self, in_channels: Value, out_channels: Value, stride: int, may_project: bool):
        super().__init__()
        self.pool = Shortcut(1, 1, stride)  # without channels of its own: it projects nothing
        if may_project:
            self.conv = _conv(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor, out_channels: int) -> torch.Tensor:
        x = self.pool(x)
        return x if x.shape[1] == out_channels else self.conv(x)


def _stage(stage: StageRow, in_channels: Value, genes: dict[str, Value]) -> Repeat:
    def block(index: int) -> NativeBlock:
        return NativeBlock(
            genes["width"] if index else in_channels,
            genes["width"],
            genes["kernel_size"],
            genes["expand_ratio"],
            se=stage.se,
            stride=1 if index else stage.stride,
            first=index == 0,
        )

    return cast(Repeat, Repeat(block, genes["depth"]))


def _conv(
    in_channels: Value,
    out_channels: Value,
    kernel_size: Value,
    *,
    stride: int = 1,
    groups: Value = 1,
    bias: bool = False,
) -> nn.Module:
    return MutableConv2d(
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=bias,
    )


def _norm(channels: Value) -> nn.Module:
    return MutableBatchNorm2d(num_features=channels)


def _divisible(channels: Value) -> Value:
    if isinstance(channels, Mutable):
        return MutableExpression(make_divisible, "make_divisible({})", [channels])
    return make_divisible(channels)
