"""Order the channels that a supernet's smaller archs leave out, the least important last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..models import MBConvBlock
from .mobile import MobileSupernet, block_values


@torch.no_grad()
def sort_channels(net: MobileSupernet, stage: int = 0, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Sort the middle channels of every block that has several expand ratios, so that smaller ratios keep the best.

    Once-for-all (Cai et al., ICLR 2020, section 3.3): a channel's importance is the L1 norm of the projection's kernel
    over its outputs. Squeeze-and-excitation's hidden channels are sorted at every stage, by the L1 norm of its second
    convolution. BatchNorm's statistics follow. The function of the largest arch does not change.

    Args:
        net: Changed in place.
        stage: How many of the smaller ratios are trained already. 0 sorts all channels; 1 sorts the channels of the
            second largest ratio among themselves, and the rest behind them; and so on.
        optimizer: Its momentum and other state of the same shape as a weight follow that weight's order.

    Raises:
        ValueError: No block has that many expand ratios.
    """
    widths = _middle_widths(net)
    ratios = max((len(of_block) for of_stage in widths for of_block in of_stage), default=0)
    if not 0 <= stage < ratios:
        raise ValueError(f"stage is how many of the smaller expand ratios are trained, 0 to {ratios - 1}, not {stage}")
    state = optimizer.state if optimizer is not None else {}
    for blocks, of_stage in zip(cast(Iterable[Iterable[MBConvBlock]], net.blocks), widths, strict=True):
        for block, of_block in zip(blocks, of_stage, strict=True):
            if len(of_block) > 1:
                middle = sorted(of_block, reverse=True)
                _sort_block(block, middle[min(stage, len(middle) - 1)], state)


def _middle_widths(net: MobileSupernet) -> list[list[set[int]]]:
    """Of every block by stage: its numbers of middle channels at the expand ratios that it has, its input as widest."""
    channels = block_values(net.space, lambda block: (block.in_channels, block.mid_channels))
    return [[{mid for given, mid in of_block if given == max(of_block)[0]} for of_block in of_stage]
            for of_stage in channels]  # fmt: skip


def _sort_block(block: MBConvBlock, first: int, state) -> None:
    """Sort the first middle channels among themselves and the others behind them, and the hidden ones of SE."""
    importance = _norms(block.conv_pwl)
    order = torch.cat([_descending(importance[:first]), first + _descending(importance[first:])])
    outputs: list[nn.Module] = [block.conv_pw, block.bn1, block.conv_dw, block.bn2]
    inputs: list[nn.Module] = [block.conv_pwl]
    if not isinstance(block.se, nn.Identity):
        outputs.append(block.se.fc2)
        inputs.append(block.se.fc1)
    _reorder(outputs, inputs, order, state)
    if not isinstance(block.se, nn.Identity):
        _reorder([block.se.fc1], [block.se.fc2], _descending(_norms(block.se.fc2)), state)


def _norms(conv: nn.Module) -> Tensor:
    """L1 norm (I,) of a convolution's kernel for each of its inputs."""
    return cast(nn.Conv2d, conv).weight.double().abs().sum(dim=(0, 2, 3))


def _descending(importance: Tensor) -> Tensor:
    return torch.argsort(importance, descending=True, stable=True)


def _reorder(outputs: Sequence[nn.Module], inputs: Sequence[nn.Module], order: Tensor, state) -> None:
    """Put old channel ``order[i]`` at place i, in the outputs of some layers and the inputs of others."""
    for layer in outputs:
        for tensor in [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]:
            if tensor.ndim and len(tensor) == len(order):
                _permute(tensor, 0, order, state)
    for layer in inputs:
        _permute(cast(nn.Conv2d, layer).weight, 1, order, state)


def _permute(tensor: Tensor, dim: int, order: Tensor, state) -> None:
    own = state.get(tensor, {}) if isinstance(tensor, nn.Parameter) else {}
    followers = [value for value in own.values() if isinstance(value, Tensor) and value.shape == tensor.shape]
    if tensor.grad is not None:
        followers.append(tensor.grad)
    for each in [tensor, *followers]:
        each.copy_(each.index_select(dim, order))
