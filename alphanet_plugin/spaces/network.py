"""What an arch computes, as plain numbers: the blueprint from which models are built and costs are counted."""

from dataclasses import dataclass
from typing import Literal

Activation = Literal["silu", "relu", "relu6", "hard_swish"]


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """One mobile inverted-bottleneck block.

    Attributes:
        in_channels: Channels of the block's input.
        mid_channels: Channels of the depthwise convolution.
        out_channels: Channels of the projection.
        kernel_size: Side of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        se_channels: Hidden channels of squeeze-and-excitation; 0 where the block has none.
        expands: Whether a 1x1 convolution precedes the depthwise one.
        projects: Whether a 1x1 convolution lies beside a block that changes the number of channels; where none does,
            that block has no shortcut.
        act: Activation after the expansion and the depthwise convolution.
    """

    in_channels: int
    mid_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    se_channels: int
    expands: bool
    projects: bool = True
    act: Activation = "silu"

    @property
    def has_shortcut(self) -> bool:
        """Whether anything is added to the block's output."""
        return self.projects or self.keeps_shape

    @property
    def keeps_shape(self) -> bool:
        """Whether the block's input can be added to its output as it is."""
        return self.stride == 1 and self.in_channels == self.out_channels


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A whole network: a 3x3 stem, stages of blocks, and a head like that of Howard et al. (2019).

    Attributes:
        resolution: Side of the square input the arch was chosen for, in pixels.
        stem_channels: Channels of the stem.
        stages: Blocks of each stage.
        expand_channels: Channels of the head's 1x1 convolution before pooling; 0 for none.
        head_channels: Channels of the head's 1x1 convolution after pooling; 0 for none.
        stem_stride: Of the stem's convolution.
        stem_act: Activation after the stem.
        head_act: Activation after each convolution of the head.
        norm_eps: What BatchNorm adds to the variance.
        in_chans: Channels of the images.
    """

    resolution: int
    stem_channels: int
    stages: tuple[tuple[BlockSpec, ...], ...]
    expand_channels: int
    head_channels: int
    stem_stride: int = 2
    stem_act: Activation = "silu"
    head_act: Activation = "silu"
    norm_eps: float = 1e-5
    in_chans: int = 3


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, one more where rounding down would lose over 10 %."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
