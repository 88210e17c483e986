"""The supernet of the AttentiveNAS space."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import DropPath, create_conv2d
from torch import nn

from ..models import AlphaNet, MBConvBlock, Shortcut, alphanet_subnet
from ..spaces import Arch, AttentiveNASSpace, BlockSpec
from .layers import ElasticSequential, make_elastic
from .supernet import Supernet


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
        self.max_drop_rate = drop_rate
        for stage_number, (stage, specs) in enumerate(zip(self.blocks, space.network(self.arch).stages, strict=True)):
            for block, spec in zip(stage, specs, strict=True):
                # All blocks of a stage share its width, so only the first may meet another number of channels.
                block.shortcut = ElasticShortcut(block.shortcut, spec, may_project=block is stage[0])
            self.blocks[stage_number] = ElasticSequential.twin(stage)
        make_elastic(self)
        self._drop_paths = [(module, module.drop_prob) for module in self.modules() if isinstance(module, DropPath)]
        self.activate(space.largest())

    def activate(self, arch: Arch, *, drop: bool = False) -> None:
        self.active = self.space.validate(arch)
        spec = self.space.network(self.active)
        self.resolution = spec.resolution
        self.conv_stem.active_out = spec.stem_channels
        for stage, blocks in zip(self.blocks, spec.stages, strict=True):
            stage.active_depth = len(blocks)
            for block, block_spec in zip(stage, blocks, strict=False):
                _activate_block(block, block_spec)
        self.conv_expand.active_out = spec.expand_channels
        self.conv_head.active_out = spec.head_channels
        self.drop_rate = self.max_drop_rate if drop else 0.0
        for drop_path, rate in self._drop_paths:
            drop_path.drop_prob = rate if drop else 0.0

    def build_static(self, arch: Arch) -> nn.Module:
        with torch.device("meta"):
            return alphanet_subnet(
                arch=arch, num_classes=self.num_classes, in_chans=self.in_chans, resize_input=self.resize_input
            )


def _activate_block(block: MBConvBlock, spec: BlockSpec) -> None:
    block.conv_dw.active_kernel = spec.kernel_size
    block.conv_pwl.active_out = spec.out_channels
    block.shortcut.active_out = spec.out_channels
    if spec.expands:
        block.conv_pw.active_out = spec.mid_channels
    if spec.se_channels:
        block.se.fc1.active_out = spec.se_channels
        block.se.fc2.active_out = spec.mid_channels
    if not isinstance(block.shortcut.conv, nn.Identity):
        block.shortcut.conv.active_out = spec.out_channels


def build_supernet(space: AttentiveNASSpace, num_classes: int = 1000, **options: Any) -> Supernet:
    """The supernet of a space.

    Args:
        space: From `alphanet_plugin.get_space`.
        num_classes: Outputs of the classifier.
        options: As `AlphaNetSupernet` takes them: resize_input, drop_rate, drop_path_rate, in_chans.
    """
    if not isinstance(space, AttentiveNASSpace):
        raise ValueError(f"no supernet for {space!r}; build_supernet takes a space from get_space('attentive_nas')")
    return AlphaNetSupernet(space, num_classes, **options)
