"""timm entries of the once-for-all spaces: the ends of each, and one for any arch."""

from __future__ import annotations

import sys
from typing import Any

from timm.models import generate_default_cfgs, register_model
from timm.models._efficientnet_builder import efficientnet_init_weights

from ..spaces import get_space
from .entry import create_entry, entry_cfg
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


def _create(architecture: str, space: str, pretrained: bool, kwargs: dict[str, Any]) -> MobileNetwork:
    network = create_entry(
        sys.modules[__name__], architecture, ARCHS[space], kwargs.pop("arch", None), pretrained, network=MobileNetwork,
        space=_SPACES[space], given_space=kwargs.pop("space", None), **kwargs,
    )  # fmt: skip
    if not pretrained and kwargs.get("device") is None:
        efficientnet_init_weights(network)  # as timm's own MobileNets; torch's way leaves features of 1e-9 here
    return network


@register_model
def ofa_mbv3_largest(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """The largest network of once-for-all's MobileNetV3 space: 566 MFLOPs at 224 pixels."""
    return _create("ofa_mbv3_largest", "ofa_mbv3", pretrained, kwargs)


@register_model
def ofa_mbv3_smallest(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """The smallest network of once-for-all's MobileNetV3 space: 42 MFLOPs at 128 pixels."""
    return _create("ofa_mbv3_smallest", "ofa_mbv3", pretrained, kwargs)


@register_model
def ofa_mbv3_subnet(
    pretrained: bool = False, arch: GivenArch | None = None, space: GivenSpace | None = None, **kwargs: Any
) -> MobileNetwork:
    """Any arch of once-for-all's MobileNetV3 space; `arch` is an `Arch`, a dict of its fields, its printed form, or the
    path of a YAML file that holds the dict, and `space` the space where it is another width's. Published weights bring
    both.
    """
    return _create("ofa_mbv3_subnet", "ofa_mbv3", pretrained, {**kwargs, "arch": arch, "space": space})


@register_model
def ofa_proxyless_largest(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """The largest network of once-for-all's ProxylessNAS space: 1,005 MFLOPs at 224 pixels."""
    return _create("ofa_proxyless_largest", "ofa_proxyless", pretrained, kwargs)


@register_model
def ofa_proxyless_smallest(pretrained: bool = False, **kwargs: Any) -> MobileNetwork:
    """The smallest network of once-for-all's ProxylessNAS space: 88 MFLOPs at 128 pixels."""
    return _create("ofa_proxyless_smallest", "ofa_proxyless", pretrained, kwargs)


@register_model
def ofa_proxyless_subnet(
    pretrained: bool = False, arch: GivenArch | None = None, space: GivenSpace | None = None, **kwargs: Any
) -> MobileNetwork:
    """Any arch of once-for-all's ProxylessNAS space; `arch` and `space` as `ofa_mbv3_subnet` takes them."""
    return _create("ofa_proxyless_subnet", "ofa_proxyless", pretrained, {**kwargs, "arch": arch, "space": space})


register_published(sys.modules[__name__])
