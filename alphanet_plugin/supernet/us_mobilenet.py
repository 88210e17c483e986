"""The supernets of the slimmable spaces."""

from __future__ import annotations

from typing import cast

from torch import nn

from ..models import UsMobileNet
from ..spaces import Arch, UsMobileNetSpace
from .layers import make_elastic
from .supernet import DropKnobs, Knobs, Supernet

# Layers whose attribute follows a field of `NetworkSpec`, and by block of `BlockSpec`.
_NETWORK_KNOBS = (("conv_stem", "active_out", "stem_channels"),)
_SEPARABLE_KNOBS = (("conv_pw", "active_out", "out_channels"),)
_INVERTED_KNOBS = (("conv_pw", "active_out", "mid_channels"), ("conv_pwl", "active_out", "out_channels"))


class UsMobileNetSupernet(Supernet, UsMobileNet):
    """The widest timm MobileNet of a slimmable space, made elastic (Yu & Huang, ICCV 2019).

    A narrower arch computes with the leading channels of every layer. Which blocks have a residual connection is the
    widest network's; the space sees to it that rounding changes that at no width.

    Args:
        space: The slimmable space.
        num_classes: Outputs of the classifier.
        resize_input: Resize images to the active arch's resolution inside the network (bicubic).
        drop_rate: Dropout before the classifier, where `activate` lets it act.
        drop_path_rate: Stochastic depth in the residual blocks, where `activate` lets it act.

    Shapes:
        images (B, C, H, W) -> logits (B, num_classes).
    """

    blocks: nn.Sequential

    def __init__(
        self,
        space: UsMobileNetSpace,
        num_classes: int = 1000,
        resize_input: bool = True,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ):
        super().__init__(
            space.largest(),
            space=space,
            num_classes=num_classes,
            resize_input=resize_input,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.space = space
        # timm's classifier begins with weights up to 1 / sqrt(classes). For a thousand that is about torch's own
        # 1 / sqrt(features); for ten, logits of several units that most of a short training goes to undoing.
        classifier = cast(nn.Linear, self.classifier)
        bound = classifier.in_features**-0.5
        nn.init.uniform_(classifier.weight, -bound, bound)
        make_elastic(self)
        self._knobs = Knobs(self, _NETWORK_KNOBS)
        self._block_knobs = [
            Knobs(block, _INVERTED_KNOBS if hasattr(block, "conv_pwl") else _SEPARABLE_KNOBS)
            for stage in self.blocks.children()
            for block in stage.children()
        ]
        self._drop_knobs = DropKnobs(self)
        self.activate(space.largest())

    def activate(self, arch: Arch, *, drop: bool = False) -> None:
        self.active = self.space.validate(arch)
        spec = self.space.network(self.active)
        self.resolution = spec.resolution
        self._knobs.follow(spec)
        blocks = (block for stage in spec.stages for block in stage)
        for knobs, block in zip(self._block_knobs, blocks, strict=True):
            knobs.follow(block)
        self._drop_knobs.follow(drop)
