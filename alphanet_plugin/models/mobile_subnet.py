"""The timm entry for any arch of any space of mobile blocks."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs, register_model

from .entry import create_entry, entry_cfg
from .network import MobileNetwork
from .published import register_published
from .read_arch import DEFAULT_SPACE, GivenArch, GivenSpace

__all__: list[str] = []

default_cfgs = generate_default_cfgs({"mobile_subnet": entry_cfg(224)})


@register_model
def mobile_subnet(
    pretrained: bool = False, space: GivenSpace | None = None, arch: GivenArch | None = None, **kwargs: Any
) -> MobileNetwork:
    """Any arch of any space that is a table; `space` is the space, its name, the path of its table, or a dict of
    `get_space`'s arguments, and `arch` an `Arch`, a dict of its fields, its printed form, or the path of a YAML file
    that holds the dict. Published weights bring both.
    """
    return create_entry(
        sys.modules[__name__], "mobile_subnet", {}, arch, pretrained, network=MobileNetwork, space=DEFAULT_SPACE,
        given_space=space, **kwargs,
    )  # fmt: skip


register_published(sys.modules[__name__])
