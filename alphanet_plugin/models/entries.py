"""All timm entries of this package, and which of them stands for an arch of a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..spaces import Arch, SearchSpace, UsMobileNetSpace
from . import alphanet, attentive_nas, us_mobilenet


def entry_archs() -> Mapping[str, Arch]:
    """Every entry that stands for one arch of the AttentiveNAS space, by name; the others stand for any."""
    return {**alphanet.ARCHS, **attentive_nas.ARCHS}


def entry_name(space: SearchSpace, tag: str, preset: str | None = None) -> str:
    """``ENTRY.TAG`` under which weights of an arch are published.

    Args:
        space: The arch's.
        tag: What distinguishes the weights.
        preset: The arch's name in ``space.presets``; None for an arch without one.
    """
    if isinstance(space, UsMobileNetSpace):
        return f"{space.name}.{tag}" + (f"_{preset.replace('.', 'p')}" if preset else "")
    return f"alphanet_{preset or 'subnet'}.{tag}"


def build_static(space: SearchSpace, arch: Arch, **options: Any) -> nn.Module:
    """The static timm model of an arch, without weights; options are those of its entry."""
    if isinstance(space, UsMobileNetSpace):
        return getattr(us_mobilenet, space.name)(arch=arch, **options)
    return alphanet.alphanet_subnet(arch=arch, **options)


def refresh_entries() -> None:
    """Tell timm what the store holds now. `timm.create_model` needs no telling; `timm.list_models` cannot ask."""
    alphanet.refresh_alphanet()
    attentive_nas.refresh_attentive_nas()
    us_mobilenet.refresh_us_mobilenet()
