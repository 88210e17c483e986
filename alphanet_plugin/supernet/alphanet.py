"""The supernet of the AttentiveNAS space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from timm.layers import create_conv2d
from torch import nn

from ..models import AlphaNet, MBConvBlock, Shortcut, alphanet_subnet
from ..spaces import Arch, AttentiveNASSpace, BlockSpec
from .knobs import DropKnobs, Knobs
from .layers import ElasticSequential, make_elastic
from .supernet import Supernet

# Layers whose attribute follows a field: of `NetworkSpec`, and within a block of `BlockSpec`.
_NETWORK_KNOBS = (
    ("conv_stem", "active_out", "stem_channels"),
    ("conv_expand", "active_out", "expand_channels"),
    ("conv_head", "active_out", "head_channels"),
)
_BLOCK_KNOBS = (
    ("conv_pw", "active_out", "mid_channels"),
    ("conv_dw", "active_kernel", "kernel_size"),
    ("se.fc1", "active_out", "se_channels"),
    ("se.fc2", "active_out", "mid_channels"),
    ("conv_pwl", "active_out", "out_channels"),
    ("shortcut", "active_out", "out_channels"),
    ("shortcut.conv", "active_out", "out_channels"),
)


class ElasticShortcut(Shortcut):
    """A shortcut that projects only where the active block changes its number of channels.

    Args:
        shortcut: The static one, whose kernel is shared.
        block: The shapes of its block in the largest arch.
        may_project: Whether some arch changes the number of channels here; then there is a kernel even if the largest
            arch needs none.
    """

    active_out: int

    def __init__(self, shortcut: Shortcut, block: BlockSpec, may_project: bool):
        super().__init__(block.in_channels, block.in_channels, block.stride)
        self.conv = shortcut.conv
        if may_project and isinstance(self.conv, nn.Identity):
            self.conv = create_conv2d(block.in_channels, block.out_channels, 1, bias=False)
        self.active_out = block.out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        return x if x.shape[1] == self.active_out else self.conv(x)


class AlphaNetSupernet(Supernet, AlphaNet):
    """`AlphaNet` of the space's largest arch, made elastic.

    Args:
        space: The AttentiveNAS space, at any resolutions.
        num_classes: Outputs of the classifier.
        resize_input: Resize images to the active arch's resolution inside the network (bicubic).
        drop_rate: Dropout before the classifier, where `activate` lets it act.
        drop_path_rate: Stochastic depth in mb6 and mb7, where `activate` lets it act.
        in_chans: Channels of the images.

    Shapes:
        images (B, in_chans, H, W) -> logits (B, num_classes).
    """

    blocks: nn.Sequential

    def __init__(
        self,
        space: AttentiveNASSpace,
        num_classes: int = 1000,
        resize_input: bool = True,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        in_chans: int = 3,
    ):
        super().__init__(
            space.largest(),
            num_classes=num_classes,
            in_chans=in_chans,
            resize_input=resize_input,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.space = space
        for number, specs in enumerate(space.network(self.arch).stages):
            stage = ElasticSequential.twin(cast(nn.Sequential, self.blocks[number]))
            for block, spec in zip(cast(Iterable[MBConvBlock], stage), specs, strict=True):
                # All blocks of a stage share its width, so only the first may meet another number of channels.
                block.shortcut = ElasticShortcut(block.shortcut, spec, may_project=block is stage[0])
            self.blocks[number] = stage
        make_elastic(self)
        self._knobs = Knobs(self, _NETWORK_KNOBS)
        self._stages = [
            (stage, [Knobs(block, _BLOCK_KNOBS) for block in stage])
            for stage in cast(Iterable[ElasticSequential], self.blocks)
        ]
        self._drop_knobs = DropKnobs(self)
        self.activate(space.largest())

    def activate(self, arch: Arch, *, drop: bool = False) -> None:
        self.active = self.space.validate(arch)
        spec = self.space.network(self.active)
        self.resolution = spec.resolution
        self._knobs.follow(spec)
        for (stage, knobs), blocks in zip(self._stages, spec.stages, strict=True):
            stage.active_depth = len(blocks)
            for block_knobs, block in zip(knobs, blocks, strict=False):
                block_knobs.follow(block)
        self._drop_knobs.follow(drop)

    def running_blocks(self, stage: nn.Module) -> list[nn.Module]:
        stage = cast(ElasticSequential, stage)
        return list(stage)[: stage.active_depth]

    def build_static(self, arch: Arch) -> nn.Module:
        return alphanet_subnet(
            arch=arch,
            num_classes=self.num_classes,
            in_chans=self.in_chans,
            resize_input=self.resize_input,
            device="meta",
        )
