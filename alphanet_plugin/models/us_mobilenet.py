"""timm entries of the universally slimmable MobileNets: one for each family, at any width."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs, register_model

from ..spaces import Arch, get_space
from .entry import create_entry, entry_cfg
from .published import register_published
from .read_arch import GivenArch
from .us_mobilenet_network import UsMobileNet

__all__: list[str] = []

_WIDEST = Arch({"resolution": 224, "width": 1.0})
_PAPER = {
    "paper_ids": ("arXiv:1903.05134", "arXiv:2102.07954"),
    "paper_name": "Universally Slimmable Networks and Improved Training Techniques",
}

default_cfgs = generate_default_cfgs(
    {name: entry_cfg(_WIDEST.resolution, **_PAPER) for name in ("us_mobilenet_v1", "us_mobilenet_v2")}
)


def _create(
    architecture: str, pretrained: bool, width: float | None, arch: GivenArch | None, kwargs: dict[str, Any]
) -> UsMobileNet:
    if width is not None and arch is not None:
        raise ValueError(f"{architecture} takes width or arch, not both")
    return create_entry(
        sys.modules[__name__], architecture, {architecture: _WIDEST}, arch, pretrained, network=UsMobileNet,
        space=get_space(architecture), given_space=kwargs.pop("space", None),
        fields={} if width is None else {"width": width}, **kwargs,
    )  # fmt: skip


@register_model
def us_mobilenet_v1(
    pretrained: bool = False, width: float | None = None, arch: GivenArch | None = None, **kwargs: Any
) -> UsMobileNet:
    """MobileNetV1 at any width, 1 by default: 569 MFLOPs at 224 pixels. `arch` gives the resolution too. Published
    weights bring both.
    """
    return _create("us_mobilenet_v1", pretrained, width, arch, kwargs)


@register_model
def us_mobilenet_v2(
    pretrained: bool = False, width: float | None = None, arch: GivenArch | None = None, **kwargs: Any
) -> UsMobileNet:
    """MobileNetV2 at any width, 1 by default: 301 MFLOPs at 224 pixels. `arch` gives the resolution too. Published
    weights bring both.
    """
    return _create("us_mobilenet_v2", pretrained, width, arch, kwargs)


register_published(sys.modules[__name__])
