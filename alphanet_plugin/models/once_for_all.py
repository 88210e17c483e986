"""timm entries of the once-for-all spaces: the ends of each, and one for any arch."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from timm.models import generate_default_cfgs, register_model
from timm.models._efficientnet_builder import efficientnet_init_weights

from ..spaces import get_space
from .entry import create_entry, entry_cfg, register_archs
from .network import MobileNetwork
from .published import register_published
from .read_arch import GivenArch, GivenSpace

__all__: list[str] = []

_SPACES = {name: get_space(name) for name in ("ofa_mbv3", "ofa_proxyless")}
ARCHS = {
    name: {f"{name}_largest": space.largest(), f"{name}_smallest": space.smallest()} for name, space in _SPACES.items()
}
_PAPER: dict[str, Any] = {
    "paper_ids": "arXiv:1908.09791",
    "paper_name": "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
}

default_cfgs = generate_default_cfgs(
    {
        **{name: entry_cfg(arch.resolution, **_PAPER) for own in ARCHS.values() for name, arch in own.items()},
        **{f"{name}_subnet": entry_cfg(space.largest().resolution, **_PAPER) for name, space in _SPACES.items()},
    }
)


def _create(space: str, architecture: str, pretrained: bool, kwargs: dict[str, Any]) -> MobileNetwork:
    network = create_entry(
        sys.modules[__name__], architecture, ARCHS[space], kwargs.pop("arch", None), pretrained, network=MobileNetwork,
        space=_SPACES[space], given_space=kwargs.pop("space", None), **kwargs,
    )  # fmt: skip
    if not pretrained and kwargs.get("device") is None:
        efficientnet_init_weights(network)  # as timm's own MobileNets; torch's way leaves features of 1e-9 here
    return network


@register_model
def ofa_mbv3_subnet(
    pretrained: bool = False, arch: GivenArch | None = None, space: GivenSpace | None = None, **kwargs: Any
) -> MobileNetwork:
    """Any arch of once-for-all's MobileNetV3 space; `arch` is an `Arch`, a dict of its fields, its printed form, or the
    path of a YAML file that holds the dict, and `space` the space where it is another width's. Published weights bring
    both.
    """
    return _create("ofa_mbv3", "ofa_mbv3_subnet", pretrained, {**kwargs, "arch": arch, "space": space})


@register_model
def ofa_proxyless_subnet(
    pretrained: bool = False, arch: GivenArch | None = None, space: GivenSpace | None = None, **kwargs: Any
) -> MobileNetwork:
    """Any arch of once-for-all's ProxylessNAS space; `arch` and `space` as `ofa_mbv3_subnet` takes them."""
    return _create("ofa_proxyless", "ofa_proxyless_subnet", pretrained, {**kwargs, "arch": arch, "space": space})


for _name, _archs in ARCHS.items():
    register_archs(sys.modules[__name__], _archs, _SPACES[_name], partial(_create, _name))
register_published(sys.modules[__name__])
