"""What the kinds of spaces differ in outside their tables: one record a family of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, NamedTuple

from torch import nn

from ..spaces import Arch, SearchSpace
from . import alphanet, attentive_nas, mobile_subnet, once_for_all, us_mobilenet
from .network import MobileNetwork
from .us_mobilenet_network import UsMobileNetV1, UsMobileNetV2

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
        name: What its entries' names begin with.
        space: Name of its space; empty for every space that has no family of its own.
        network: Class of the static network.
        module: Holds its timm entries, their `default_cfgs` and, for those of one arch, `ARCHS`.
        any_arch: The entry that takes any arch.
        card: Name of the file in ``model_cards/`` that tells of it.
        origin: What one of its models is, in words for the card.
        bn_rule: How BatchNorm statistics of subnets are estimated; see `evaluation.recalibrate_bn`.
        released: Its released checkpoints, if there are any.
    """

    name: str
    space: str
    network: type[nn.Module]
    module: ModuleType
    any_arch: str
    card: str
    origin: str
    bn_rule: BnRule = "cumulative"
    released: Released | None = None

    @property
    def archs(self) -> Mapping[str, Arch]:
        """The entries that stand for one arch each, by name."""
        own = getattr(self.module, "ARCHS", {})
        return {name: arch for name, arch in own.items() if name.startswith(f"{self.name}_")}


_ATTENTIVE_NAS = Released("cc-by-nc-4.0", "fb_in1k", "bicubic")
# The first of several families with one space is the one whose entries its runs are published under.
FAMILIES = (
    Family(
        name="alphanet", space="attentive_nas", network=MobileNetwork, module=alphanet, any_arch="alphanet_subnet",
        card="alphanet", origin="one network of the AttentiveNAS search space", released=_ATTENTIVE_NAS,
    ),
    Family(
        name="attentive_nas", space="attentive_nas", network=MobileNetwork, module=attentive_nas,
        any_arch="alphanet_subnet", card="attentive_nas", origin="one network of the AttentiveNAS search space",
        released=_ATTENTIVE_NAS,
    ),
    *(
        Family(
            name=space, space=space, network=MobileNetwork, module=once_for_all, any_arch=f"{entries}_subnet",
            card="once_for_all", origin="one network of a once-for-all search space", bn_rule="weighted",
            released=Released("mit", "ofa_in1k", "bilinear"),
        )
        for space, entries in (
            ("ofa_mbv3", "ofa_mbv3"), ("ofa_proxyless", "ofa_proxyless"), ("ofa_mbv3_cifar", "ofa_mbv3"),
        )
    ),
    Family(
        name="us_mobilenet_v1", space="us_mobilenet_v1", network=UsMobileNetV1, module=us_mobilenet,
        any_arch="us_mobilenet_v1", card="us_mobilenet", origin="one width of a universally slimmable MobileNet",
    ),
    Family(
        name="us_mobilenet_v2", space="us_mobilenet_v2", network=UsMobileNetV2, module=us_mobilenet,
        any_arch="us_mobilenet_v2", card="us_mobilenet", origin="one width of a universally slimmable MobileNet",
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


def family_of_entry(architecture: str) -> Family:
    """The family of a timm entry of this package, by its name."""
    own = [family for family in FAMILIES if architecture in family.module.default_cfgs]
    return next((family for family in own if architecture.startswith(family.name)), own[0])
