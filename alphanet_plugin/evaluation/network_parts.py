"""A network of a space in the parts whose latencies a table holds: stem, blocks, head."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from ..models import build_static
from ..spaces import Arch, BlockSpec, SearchSpace
from ..spaces.costs import strided


@dataclass(frozen=True)
class NetworkPart:
    """Something to be measured, with weights that only time depends on.

    Attributes:
        name: Says all that its latency depends on beside the machine; parts of one name are the same.
        input_size: (C, H, W) of an image.
        build: device -> the part, in eval mode there.
    """

    name: str
    input_size: tuple[int, int, int]
    build: Callable[[torch.device], nn.Module] = field(compare=False)


def network_parts(space: SearchSpace, arch: Arch, num_classes: int) -> list[NetworkPart]:
    """Stem, every block and head of an arch's static network, in the order of a forward."""
    return list(_parts(space, arch, num_classes))


def _parts(space: SearchSpace, arch: Arch, num_classes: int) -> Iterator[NetworkPart]:
    spec = space.network(arch)
    static = partial(build_static, space, arch, num_classes=num_classes, device="meta")
    side = spec.resolution
    name = f"stem {side}px {spec.in_chans}>{spec.stem_channels}{'' if spec.stem_stride == 2 else ' s1'}"
    yield NetworkPart(name, (spec.in_chans, side, side), lambda device: _materialised(_stem(static()), device))
    side = strided(side, spec.stem_stride)
    for stage, blocks in enumerate(spec.stages):
        for number, block in enumerate(blocks):
            build = partial(_build_block, static, stage, number)
            yield NetworkPart(f"block {side}px {_describe(block)}", (block.in_channels, side, side), build)
            side = strided(side, block.stride)
    channels = spec.stages[-1][-1].out_channels
    name = f"head {side}px {channels}>{spec.expand_channels}>{spec.head_channels}>{num_classes}"
    yield NetworkPart(name, (channels, side, side), lambda device: _materialised(_head(static()), device))


def _describe(block: BlockSpec) -> str:
    shape = f"{block.in_channels}>{block.mid_channels}>{block.out_channels}"
    options = f"k{block.kernel_size} s{block.stride} se{block.se_channels} {'' if block.expands else 'no '}expansion"
    others = f"{'' if block.act == 'silu' else f' {block.act}'}{'' if block.projects else ' unprojected'}"
    return f"{shape} {options}{others}"


def whole_network(space: SearchSpace, arch: Arch, num_classes: int) -> NetworkPart:
    """The whole static network as a part, fed at the arch's resolution."""
    side = arch.resolution
    static = partial(build_static, space, arch, num_classes=num_classes, device="meta")
    return NetworkPart(f"network {arch}", (space.in_chans, side, side), lambda device: _materialised(static(), device))


def _stem(network: Any) -> nn.Module:
    """Images (B, C, H, W) -> what the first block gets."""
    return nn.Sequential(OrderedDict(conv_stem=network.conv_stem, bn1=network.bn1))


def _build_block(static: Callable[[], Any], stage: int, number: int, device: torch.device) -> nn.Module:
    return _materialised(static().blocks[stage][number], device)


def _head(network: Any) -> nn.Module:
    """What the last block gives -> logits (B, num_classes)."""
    network.conv_stem, network.bn1, network.blocks = nn.Identity(), nn.Identity(), nn.Sequential()
    return network


def _materialised(module: nn.Module, device: torch.device) -> nn.Module:
    """From the meta device: kernels of one and the same noise, scaled by their fan-in; norms that do nothing.

    A tenth of the time that random initialisation takes, and activations stay finite through the whole network.
    """
    module = module.to_empty(device=device).eval()
    largest = max(parameter.numel() for parameter in module.parameters())
    noise = torch.randn(largest, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        for child in module.modules():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                child.reset_parameters()
                continue
            for parameter in child.parameters(recurse=False):
                if parameter.dim() > 1:
                    parameter.copy_(noise[: parameter.numel()].view_as(parameter) * parameter[0].numel() ** -0.5)
                else:
                    parameter.zero_()
    return module
