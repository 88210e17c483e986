"""timm entries of the archs that AttentiveNAS (CVPR 2021) published."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs

from ..spaces import get_space
from .entry import create_entry, entry_cfg, register_archs
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


register_archs(sys.modules[__name__], ARCHS, _SPACE, _create)
register_published(sys.modules[__name__])
