"""timm entries of AlphaNet: one for each published arch, the ends of the space, and one for any arch."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs, register_model

from ..spaces import get_space
from .entry import create_entry, entry_cfg
from .network import MobileNetwork
from .published import register_published
from .read_arch import GivenArch

__all__: list[str] = []

_SPACE = get_space("attentive_nas")
ARCHS = {
    **{f"alphanet_{name}": arch for name, arch in _SPACE.presets.items()},
    "alphanet_min": _SPACE.smallest(),
    "alphanet_max": _SPACE.largest(),
}
_PAPER: dict[str, Any] = {
    "paper_ids": "arXiv:2102.07954",
    "paper_name": "AlphaNet: Improved Training of Supernets with Alpha-Divergence",
}

default_cfgs = generate_default_cfgs(
    {
        **{name: entry_cfg(arch.resolution, **_PAPER) for name, arch in ARCHS.items()},
        "alphanet_subnet": entry_cfg(ARCHS["alphanet_a0"].resolution, **_PAPER),
    }
)


def _create(architecture: str, pretrained: bool, kwargs: dict[str, Any]) -> MobileNetwork:
    return create_entry(
        sys.modules[__name__], architecture, ARCHS, kwargs.pop("arch", None), pretrained, network=MobileNetwork,
        space=_SPACE, given_space=kwargs.pop("space", None), **kwargs,
    )  # fmt: skip


@register_model
def alphanet_subnet(pretrained: bool = False, arch: GivenArch | None = None, **kwargs: Any) -> MobileNetwork:
    """Any arch of the AttentiveNAS space; `arch` is an `Arch`, a dict of its fields, its printed form, or the path of
    a YAML file that holds the dict. Published weights bring their own.
    """
    return _create("alphanet_subnet", pretrained, {**kwargs, "arch": arch})


@register_model
def alphanet_a0(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A0: 203 MFLOPs at 192 pixels."""
    return _create("alphanet_a0", pretrained, kwargs)


@register_model
def alphanet_a1(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A1: 279 MFLOPs at 224 pixels."""
    return _create("alphanet_a1", pretrained, kwargs)


@register_model
def alphanet_a2(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A2: 317 MFLOPs at 224 pixels."""
    return _create("alphanet_a2", pretrained, kwargs)


@register_model
def alphanet_a3(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A3: 357 MFLOPs at 224 pixels."""
    return _create("alphanet_a3", pretrained, kwargs)


@register_model
def alphanet_a4(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A4: 444 MFLOPs at 256 pixels."""
    return _create("alphanet_a4", pretrained, kwargs)


@register_model
def alphanet_a5(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A5 (small): 491 MFLOPs at 256 pixels."""
    return _create("alphanet_a5", pretrained, kwargs)


@register_model
def alphanet_a5_base(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A5 (base): 595 MFLOPs at 288 pixels."""
    return _create("alphanet_a5_base", pretrained, kwargs)


@register_model
def alphanet_a6(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AlphaNet-A6: 709 MFLOPs at 288 pixels."""
    return _create("alphanet_a6", pretrained, kwargs)


@register_model
def alphanet_min(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """The smallest network of the space: 203 MFLOPs at 192 pixels; AlphaNet-A0 is the same arch."""
    return _create("alphanet_min", pretrained, kwargs)


@register_model
def alphanet_max(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """The largest network of the space: 1,939 MFLOPs at 288 pixels."""
    return _create("alphanet_max", pretrained, kwargs)


register_published(sys.modules[__name__])
