"""Multiply-adds and parameters in closed form.

Counted are convolutions and linear layers, squeeze-and-excitation and shortcut convolutions included; normalisation,
pooling and activations are not. The weights and biases of normalisation do count as parameters, its statistics do not.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .network import BlockSpec, NetworkSpec


class Cost(NamedTuple):
    """What a part of a network costs.

    Attributes:
        macs: Multiply-adds (not in millions).
        params: Parameters of the static model.
        idle_params: Shortcut kernels of blocks whose shortcut is the identity. The released program keeps and counts
            them although nothing uses them; the static model does without.
    """

    macs: int
    params: int
    idle_params: int = 0


class MacPart(NamedTuple):
    """The multiply-adds of one part of a network, as a table over the genes that they depend on.

    Attributes:
        genes: Positions in the space's `genes`.
        macs: int64 (product of these genes' numbers of candidates,); the last gene varies fastest.
    """

    genes: tuple[int, ...]
    macs: NDArray[np.int64]


def strided(side: int, stride: int) -> int:
    """Output side of a "same"-padded convolution, or of the padded 2x2 pooling."""
    return -(-side // stride)


def conv_cost(in_channels: int, out_channels: int, kernel_size: int, side: int, *, norm: bool) -> Cost:
    """A dense convolution without bias whose output is `side` x `side` pixels; `norm`: BatchNorm follows."""
    weights = in_channels * out_channels * kernel_size**2
    return Cost(weights * side**2, weights + 2 * out_channels * norm)


def linear_cost(in_features: int, out_features: int) -> Cost:
    """A linear layer (or a 1x1 convolution of one pixel) with bias."""
    weights = in_features * out_features
    return Cost(weights, weights + out_features)


def block_cost(block: BlockSpec, side: int) -> Cost:
    """One block whose input is `side` x `side` pixels."""
    out_side = strided(side, block.stride)
    mid = block.mid_channels
    depthwise = mid * block.kernel_size**2
    parts = [
        Cost(depthwise * out_side**2, depthwise + 2 * mid),
        conv_cost(mid, block.out_channels, 1, out_side, norm=True),
    ]
    if block.expands:
        parts.append(conv_cost(block.in_channels, mid, 1, side, norm=True))
    if block.se_channels:
        parts += [linear_cost(mid, block.se_channels), linear_cost(block.se_channels, mid)]
    if block.projects:
        shortcut = conv_cost(block.in_channels, block.out_channels, 1, out_side, norm=False)
        parts.append(Cost(0, 0, shortcut.params) if block.in_channels == block.out_channels else shortcut)
    return total(parts)


def head_cost(in_channels: int, expand_channels: int, head_channels: int, side: int, num_classes: int) -> Cost:
    """The head over features of `side` x `side` pixels, and the classifier; `num_classes` 0: none."""
    parts, features = [Cost(0, 0)], in_channels
    if expand_channels:
        parts.append(conv_cost(features, expand_channels, 1, side, norm=True))
        features = expand_channels
    if head_channels:
        parts.append(conv_cost(features, head_channels, 1, 1, norm=False))
        features = head_channels
    return total(parts + ([linear_cost(features, num_classes)] if num_classes else []))


def network_cost(spec: NetworkSpec, num_classes: int) -> Cost:
    """A whole network with a classifier."""
    side = strided(spec.resolution, spec.stem_stride)
    parts = [conv_cost(spec.in_chans, spec.stem_channels, 3, side, norm=True)]
    for block in (block for stage in spec.stages for block in stage):
        parts.append(block_cost(block, side))
        side = strided(side, block.stride)
    features = spec.stages[-1][-1].out_channels
    parts.append(head_cost(features, spec.expand_channels, spec.head_channels, side, num_classes))
    return total(parts)


def total(parts: list[Cost]) -> Cost:
    """The sum of several costs."""
    return Cost(*map(sum, zip(*parts, strict=True)))
