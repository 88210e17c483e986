"""All timm entries of this package, and which of them stands for an arch of a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..spaces import Arch, SearchSpace
from .family import FAMILIES, family_of
from .published import register_published


def entry_archs() -> Mapping[str, Arch]:
    """Every entry that stands for one arch, by name; the others stand for any."""
    return {name: arch for family in FAMILIES for name, arch in family.archs.items()}


def entry_name(space: SearchSpace, tag: str, preset: str | None = None) -> str:
    """``ENTRY.TAG`` under which weights of an arch are published.

    Args:
        space: The arch's.
        tag: What distinguishes the weights.
        preset: The arch's name in ``space.presets``; None for an arch without one.
    """
    family = family_of(space)
    if f"{family.name}_{preset}" in family.archs:
        return f"{family.name}_{preset}.{tag}"
    return f"{family.any_arch}.{tag}" + (f"_{preset.replace('.', 'p')}" if preset else "")


def build_static(space: SearchSpace, arch: Arch, **options: Any) -> nn.Module:
    """The static timm model of an arch, without weights; options are those of its entry."""
    family = family_of(space)
    return getattr(family.module, family.any_arch)(arch=arch, space=space, **options)


def refresh_entries() -> None:
    """Tell timm what the store holds now. `timm.create_model` needs no telling; `timm.list_models` cannot ask."""
    for module in {family.module.__name__: family.module for family in FAMILIES}.values():
        register_published(module)
