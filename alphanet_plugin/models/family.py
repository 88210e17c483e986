"""What the kinds of spaces differ in outside their tables: one record a family of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal, NamedTuple

from torch import nn

from ..spaces import Arch, SearchSpace
from . import alphanet, attentive_nas, mobile_subnet, once_for_all, us_mobilenet
from .network import MobileNetwork
from .us_mobilenet_network import UsMobileNet

BnRule = Literal["cumulative", "weighted"]


class Released(NamedTuple):
    """Checkpoints that others released for a family.

    Attributes:
        license: Of the weights, by its SPDX name.
        tag: Of the models made of them.
        interpolation: By which images were resized for the published figures.
    """

    license: str
    tag: str
    interpolation: str


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models of one kind of space.

    Attributes:
        name: What tells it apart; an entry for a preset is called after it (``alphanet_a0``).
        space: Name of its space; empty for every space that has no family of its own.
        network: Class of the static network.
        module: Holds its timm entries and their `default_cfgs`.
        any_arch: The entry that takes any arch.
        archs: The entries that stand for one arch each, by name.
        card: Name of the file in ``model_cards/`` that tells of it.
        origin: What one of its models is, in words for the card.
        bn_rule: How BatchNorm statistics of subnets are estimated; see `evaluation.recalibrate_bn`.
        released: Its released checkpoints, if there are any.
        in_nnis_layers: Whether its network is there in NNI's own layers too, for strategies that mix those.
    """

    name: str
    space: str
    network: type[nn.Module]
    module: ModuleType
    any_arch: str
    archs: Mapping[str, Arch] = field(default_factory=dict)
    card: str
    origin: str
    bn_rule: BnRule = "cumulative"
    released: Released | None = None
    in_nnis_layers: bool = False


_ATTENTIVE_NAS = Released("cc-by-nc-4.0", "fb_in1k", "bicubic")
_ONCE_FOR_ALL = Released("mit", "ofa_in1k", "bilinear")
# The first of several families with one space is the one whose entries its runs are published under.
FAMILIES = (
    Family(
        name="alphanet", space="attentive_nas", network=MobileNetwork, module=alphanet, any_arch="alphanet_subnet",
        archs=alphanet.ARCHS, card="alphanet", origin="one network of the AttentiveNAS search space",
        released=_ATTENTIVE_NAS, in_nnis_layers=True,
    ),
    Family(
        name="attentive_nas", space="attentive_nas", network=MobileNetwork, module=attentive_nas,
        any_arch="alphanet_subnet", archs=attentive_nas.ARCHS, card="attentive_nas",
        origin="one network of the AttentiveNAS search space", released=_ATTENTIVE_NAS, in_nnis_layers=True,
    ),
    *(
        Family(
            name=space, space=space, network=MobileNetwork, module=once_for_all, any_arch=any_arch,
            archs=once_for_all.ARCHS.get(space, {}), card="once_for_all",
            origin="one network of a once-for-all search space", bn_rule="weighted", released=released,
        )
        for space, any_arch, released in (
            ("ofa_mbv3", "ofa_mbv3_subnet", _ONCE_FOR_ALL),
            ("ofa_proxyless", "ofa_proxyless_subnet", _ONCE_FOR_ALL),
            ("ofa_mbv3_cifar", "ofa_mbv3_subnet", None),
        )
    ),
    *(
        Family(
            name=space, space=space, network=UsMobileNet, module=us_mobilenet, any_arch=space, card="us_mobilenet",
            origin="one width of a universally slimmable MobileNet",
        )
        for space in ("us_mobilenet_v1", "us_mobilenet_v2")
    ),
    Family(
        name="mobile", space="", network=MobileNetwork, module=mobile_subnet, any_arch="mobile_subnet",
        card="mobile", origin="one network of a search space of mobile blocks",
    ),
)  # fmt: skip


def family_of(space: SearchSpace) -> Family:
    """The family of a space.

    Raises:
        ValueError: It is no space of this package.
    """
    if isinstance(space, SearchSpace):
        for family in FAMILIES:
            if family.space in (space.name, ""):
                return family
    raise ValueError(f"no models for {space!r}; take a space from get_space")


def family_of_entry(architecture: str) -> Family | None:
    """The family of a timm entry, by its name; None for an entry that is not of this package."""
    return next((family for family in FAMILIES if architecture in (family.any_arch, *family.archs)), None)
