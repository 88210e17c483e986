"""A network of the AttentiveNAS space in the parts whose latencies a table holds: stem, blocks, head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ..models import AlphaNet
from ..models.mbconv import build_block
from ..spaces import Arch, AttentiveNASSpace, BlockSpec
from ..spaces.costs import halved


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


def network_parts(arch: Arch, num_classes: int) -> list[NetworkPart]:
    """Stem, every block and head of an arch's static network, in the order of a forward."""
    return list(_parts(arch, num_classes))


def _parts(arch: Arch, num_classes: int) -> Iterator[NetworkPart]:
    spec = AttentiveNASSpace(resolutions=(arch.resolution,)).network(arch)
    side = spec.resolution
    name = f"stem {side}px 3>{spec.stem_channels}"
    yield NetworkPart(name, (3, side, side), partial(_build_stem, arch, num_classes))
    side = halved(side)
    for block in (block for stage in spec.stages for block in stage):
        shape = f"{block.in_channels}>{block.mid_channels}>{block.out_channels}"
        options = (
            f"k{block.kernel_size} s{block.stride} se{block.se_channels} {'' if block.expands else 'no '}expansion"
        )
        name = f"block {side}px {shape} {options}"
        yield NetworkPart(name, (block.in_channels, side, side), partial(_build_block, block))
        side = halved(side) if block.stride == 2 else side
    channels = spec.stages[-1][-1].out_channels
    name = f"head {side}px {channels}>{spec.expand_channels}>{spec.head_channels}>{num_classes}"
    yield NetworkPart(name, (channels, side, side), partial(_build_head, arch, num_classes))


def whole_network(arch: Arch, num_classes: int) -> NetworkPart:
    """The whole static network as a part, fed at the arch's resolution."""
    side = arch.resolution
    return NetworkPart(f"network {arch}", (3, side, side), partial(_build_whole, arch, num_classes))


class _Stem(nn.Module):
    """Images (B, 3, H, W) -> what the first block gets."""

    def __init__(self, network: AlphaNet):
        super().__init__()
        self.conv_stem, self.bn1 = network.conv_stem, network.bn1

    def forward(self, x: Tensor) -> Tensor:
        return self.bn1(self.conv_stem(x))


class _Head(nn.Module):
    """What the last block gives -> logits (B, num_classes)."""

    def __init__(self, network: AlphaNet):
        super().__init__()
        network.conv_stem, network.bn1, network.blocks = nn.Identity(), nn.Identity(), nn.Sequential()  # type: ignore
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def _build_stem(arch: Arch, num_classes: int, device: torch.device) -> nn.Module:
    return _materialised(_Stem(AlphaNet(arch, num_classes, device="meta")), device)


def _build_block(spec: BlockSpec, device: torch.device) -> nn.Module:
    return _materialised(build_block(spec, device="meta"), device)


def _build_head(arch: Arch, num_classes: int, device: torch.device) -> nn.Module:
    return _materialised(_Head(AlphaNet(arch, num_classes, device="meta")), device)


def _build_whole(arch: Arch, num_classes: int, device: torch.device) -> nn.Module:
    return _materialised(AlphaNet(arch, num_classes, device="meta"), device)


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
