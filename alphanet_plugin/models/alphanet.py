"""timm entries of AlphaNet: one for each published arch, the ends of the space, and one for any arch."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs, register_model

from ..spaces import get_space
from .entry import create_entry, entry_cfg, register_archs
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


register_archs(sys.modules[__name__], ARCHS, _SPACE, _create)
register_published(sys.modules[__name__])
