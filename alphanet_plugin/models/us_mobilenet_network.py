"""The static network of one arch of a slimmable space: timm's own MobileNet at that width."""

# No `from __future__ import annotations` here: TorchScript could not read the traced forward's annotations.
from functools import partial
from typing import Any, ClassVar

import torch
from timm.models import EfficientNet
from timm.models._efficientnet_builder import decode_arch_def, resolve_act_layer, resolve_bn_args, round_channels
from torch import nn
from torch.nn import functional as F

from ..spaces import MobileNetStage, UsMobileNetSpace
from .read_arch import GivenArch, read_arch


class UsMobileNet(EfficientNet):
    """timm's MobileNet of one arch; layers, names, initial weights and options are those of timm's static models.

    Args:
        arch: The arch, in any form that `read_arch` takes; its width need not be within the space's range.
        resize_input: Let `forward` resize images to the arch's resolution (bicubic), as in training; off, it takes
            images as they come. `forward_features` and `forward_intermediates` always do.
        space: The arch's space.
        kwargs: As `timm.models.EfficientNet` takes them: num_classes, in_chans (by default the space's), drop_rate,
            drop_path_rate, global_pool, output_stride and others; and bn_momentum, bn_eps, act_layer, norm_layer.

    Shapes:
        images (B, in_chans, H, W) -> logits (B, num_classes).
    """

    __jit_unused_properties__: ClassVar[list[str]] = ["_model_args"]

    def __init__(self, arch: GivenArch, resize_input: bool = False, *, space: UsMobileNetSpace, **kwargs: Any):
        read = read_arch(arch, space)
        kwargs.setdefault("in_chans", space.in_chans)
        norm_layer = partial(nn.BatchNorm2d, **resolve_bn_args(kwargs))
        super().__init__(
            block_args=decode_arch_def([[_arch_def(stage)] for stage in space.stages]),
            stem_size=space.stem_channels,
            num_features=space.head_features(read.width),
            round_chs_fn=partial(round_channels, multiplier=read.width),
            act_layer=resolve_act_layer(kwargs, "relu6"),
            norm_layer=kwargs.pop("norm_layer", None) or norm_layer,
            **kwargs,
        )
        self.arch = read
        self.resize_input = resize_input
        self.resolution: int = read.resolution
        self._factory_args = {}

    @property
    def _model_args(self) -> dict[str, Any]:
        """What timm writes into a saved model's config to build it again, in plain values."""
        return {**self._factory_args, "resize_input": self.resize_input, "arch": self.arch.to_dict()}

    @_model_args.setter
    def _model_args(self, args: dict[str, Any]) -> None:
        self._factory_args = {key: value for key, value in args.items() if key != "width"}

    def resize(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) as the network wants them: at the arch's resolution if `resize_input`."""
        if self.resize_input:
            x = F.interpolate(x, size=(self.resolution, self.resolution), mode="bicubic", align_corners=False)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.forward_features(self.resize(x))
        return self.forward_head(x)


def _arch_def(stage: MobileNetStage) -> str:
    """A stage in timm's words, such as ``ir_r2_k3_s2_e6_c24``."""
    return f"{stage.block}_r{stage.depth}_k3_s{stage.stride}_e{stage.expand_ratio}_c{stage.channels}"
