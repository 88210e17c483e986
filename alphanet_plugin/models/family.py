"""What the kinds of spaces differ in outside their tables: one record a family of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from torch import nn

from ..spaces import Arch, SearchSpace, get_space
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
        any_arch: The entry that takes any arch.
        side: Of images in that entry's cfg, in pixels.
        widest: What that entry is where no arch is given; None where one must be.
        archs: The entries that stand for one arch each, by name.
        paper: timm's ``paper_ids`` and ``paper_name``.
        timm_init: Whether a network begins with the weights of timm's own MobileNets, and not with torch's.
        card: Name of the file in ``model_cards/`` that tells of it.
        origin: What one of its models is, in words for the card.
        bn_rule: How BatchNorm statistics of subnets are estimated; see `evaluation.recalibrate_bn`.
        released: Its released checkpoints, if there are any.
        in_nnis_layers: Whether its network is there in NNI's own layers too, for strategies that mix those.
    """

    name: str
    space: str
    network: type[nn.Module]
    any_arch: str
    side: int = 224
    widest: Arch | None = None
    archs: Mapping[str, Arch] = field(default_factory=dict)
    paper: Mapping[str, Any] = field(default_factory=dict)
    timm_init: bool = False
    card: str
    origin: str
    bn_rule: BnRule = "cumulative"
    released: Released | None = None
    in_nnis_layers: bool = False


_ATTENTIVE_NAS = Released("cc-by-nc-4.0", "fb_in1k", "bicubic")
_ONCE_FOR_ALL = Released("mit", "ofa_in1k", "bilinear")
_SPACE = get_space("attentive_nas")
# AttentiveNAS published AlphaNet's archs but for a5, and no a5_base.
_A5 = _SPACE.parse(
    "resolution=256 width=16,16,24,32,72,112,192,216,1792 depth=1,3,3,3,4,6,1 kernel_size=3,3,3,5,3,3,3 "
    "expand_ratio=1,4,5,4,4,6,6"
)


def _ends(name: str) -> dict[str, Arch]:
    space = get_space(name)
    return {f"{name}_largest": space.largest(), f"{name}_smallest": space.smallest()}


# The first of several families with one space is the one whose entries its runs are published under.
FAMILIES = (
    Family(
        name="alphanet", space="attentive_nas", network=MobileNetwork, any_arch="alphanet_subnet", side=192,
        archs={
            **{f"alphanet_{name}": arch for name, arch in _SPACE.presets.items()},
            "alphanet_min": _SPACE.smallest(), "alphanet_max": _SPACE.largest(),
        },
        card="alphanet", origin="one network of the AttentiveNAS search space", released=_ATTENTIVE_NAS,
        paper={
            "paper_ids": "arXiv:2102.07954",
            "paper_name": "AlphaNet: Improved Training of Supernets with Alpha-Divergence",
        },
        in_nnis_layers=True,
    ),
    Family(
        name="attentive_nas", space="attentive_nas", network=MobileNetwork, any_arch="alphanet_subnet", side=192,
        archs={
            f"attentive_nas_{name}": _A5 if name == "a5" else arch
            for name, arch in _SPACE.presets.items() if name != "a5_base"
        },
        card="attentive_nas", origin="one network of the AttentiveNAS search space", released=_ATTENTIVE_NAS,
        paper={
            "paper_ids": "arXiv:2011.09011",
            "paper_name": "AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling",
        },
        in_nnis_layers=True,
    ),
    *(
        Family(
            name=space, space=space, network=MobileNetwork, any_arch=any_arch, archs=archs, card="once_for_all",
            origin="one network of a once-for-all search space", bn_rule="weighted", released=released,
            paper={
                "paper_ids": "arXiv:1908.09791",
                "paper_name": "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
            },
            timm_init=True,
        )
        for space, any_arch, archs, released in (
            ("ofa_mbv3", "ofa_mbv3_subnet", _ends("ofa_mbv3"), _ONCE_FOR_ALL),
            ("ofa_proxyless", "ofa_proxyless_subnet", _ends("ofa_proxyless"), _ONCE_FOR_ALL),
            ("ofa_mbv3_cifar", "ofa_mbv3_subnet", {}, None),
        )
    ),
    *(
        Family(
            name=space, space=space, network=UsMobileNet, any_arch=space, card="us_mobilenet",
            widest=Arch({"resolution": 224, "width": 1.0}), origin="one width of a universally slimmable MobileNet",
            paper={
                "paper_ids": ("arXiv:1903.05134", "arXiv:2102.07954"),
                "paper_name": "Universally Slimmable Networks and Improved Training Techniques",
            },
        )
        for space in ("us_mobilenet_v1", "us_mobilenet_v2")
    ),
    Family(
        name="mobile", space="", network=MobileNetwork, any_arch="mobile_subnet", card="mobile",
        origin="one network of a search space of mobile blocks",
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
