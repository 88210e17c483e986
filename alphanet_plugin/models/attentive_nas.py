"""timm entries of the archs that AttentiveNAS (CVPR 2021) published."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs, register_model

from ..spaces import get_space
from .entry import create_entry, entry_cfg
from .network import MobileNetwork
from .published import register_published

__all__: list[str] = []

_SPACE = get_space("attentive_nas")
# AttentiveNAS published AlphaNet's archs but for a5, and no a5_base.
_A5 = _SPACE.parse(
    "resolution=256 width=16,16,24,32,72,112,192,216,1792 depth=1,3,3,3,4,6,1 kernel_size=3,3,3,5,3,3,3 "
    "expand_ratio=1,4,5,4,4,6,6"
)
ARCHS = {
    f"attentive_nas_{name}": _A5 if name == "a5" else arch for name, arch in _SPACE.presets.items() if name != "a5_base"
}
_PAPER: dict[str, Any] = {
    "paper_ids": "arXiv:2011.09011",
    "paper_name": "AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling",
}

default_cfgs = generate_default_cfgs({name: entry_cfg(arch.resolution, **_PAPER) for name, arch in ARCHS.items()})


def _create(architecture: str, pretrained: bool, kwargs: dict[str, Any]) -> MobileNetwork:
    return create_entry(
        sys.modules[__name__], architecture, ARCHS, kwargs.pop("arch", None), pretrained, network=MobileNetwork,
        space=_SPACE, **kwargs,
    )  # fmt: skip


@register_model
def attentive_nas_a0(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A0: 203 MFLOPs at 192 pixels; AlphaNet-A0's arch."""
    return _create("attentive_nas_a0", pretrained, kwargs)


@register_model
def attentive_nas_a1(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A1: 279 MFLOPs at 224 pixels; AlphaNet-A1's arch."""
    return _create("attentive_nas_a1", pretrained, kwargs)


@register_model
def attentive_nas_a2(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A2: 317 MFLOPs at 224 pixels; AlphaNet-A2's arch."""
    return _create("attentive_nas_a2", pretrained, kwargs)


@register_model
def attentive_nas_a3(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A3: 357 MFLOPs at 224 pixels; AlphaNet-A3's arch."""
    return _create("attentive_nas_a3", pretrained, kwargs)


@register_model
def attentive_nas_a4(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A4: 444 MFLOPs at 256 pixels; AlphaNet-A4's arch."""
    return _create("attentive_nas_a4", pretrained, kwargs)


@register_model
def attentive_nas_a5(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A5: 491 MFLOPs at 256 pixels; not AlphaNet-A5's arch."""
    return _create("attentive_nas_a5", pretrained, kwargs)


@register_model
def attentive_nas_a6(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """AttentiveNAS-A6: 709 MFLOPs at 288 pixels; AlphaNet-A6's arch."""
    return _create("attentive_nas_a6", pretrained, kwargs)


register_published(sys.modules[__name__])
