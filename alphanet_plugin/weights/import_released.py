"""The released AlphaNet and AttentiveNAS supernets become models that timm loads by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from timm.data import ImageNetInfo
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from .. import store
from ..data import CalibrationImages
from ..digest import digest
from ..errors import ConfigError
from ..evaluation import recalibrate_bn
from ..models import entry_archs
from ..spaces import Arch, AttentiveNASSpace
from ..supernet import Supernet, build_supernet
from .publish import Publication, publish
from .released import read_supernet_checkpoint
from .supernet_files import save_supernet

FAMILIES = ("alphanet", "attentive_nas")
RELEASED_LICENSE = "cc-by-nc-4.0"


@dataclass(frozen=True, kw_only=True)
class ReleasedSupernet:
    """A released checkpoint, read and checked against its space.

    Attributes:
        supernet: With the checkpoint's weights, resizing its input inside.
        family: ``alphanet`` or ``attentive_nas``: by which method it was trained, and how its models are called.
        tag: Of the models, such as ``fb_in1k``.
        file: Name of the checkpoint.
        sha256: Of the checkpoint.
    """

    supernet: Supernet
    family: str
    tag: str
    file: str
    sha256: str

    @property
    def archs(self) -> dict[str, Arch]:
        """The published archs of the family by timm's names, smallest first."""
        own = {name: arch for name, arch in entry_archs().items() if name.startswith(f"{self.family}_")}
        return dict(sorted(own.items(), key=lambda item: self.supernet.space.mflops(item[1])))

    @property
    def about(self) -> dict[str, Any]:
        """Where the weights come from, in plain values."""
        return {"source": {"file": self.file, "sha256": self.sha256}, "license": RELEASED_LICENSE}


def read_released(
    checkpoint: str | PathLike[str],
    *,
    space: AttentiveNASSpace | None = None,
    family: str = "alphanet",
    tag: str = "fb_in1k",
) -> ReleasedSupernet:
    """Read a released ``.pth.tar``; nothing in it is run.

    Raises:
        CheckpointError: It cannot be read, or does not fit the space.
        ConfigError: No such family.
        ValueError: The tag is none.
    """
    if family not in FAMILIES:
        raise ConfigError(f"family must be {' or '.join(FAMILIES)}, not {family!r}")
    store.check_tag(tag)
    state = read_supernet_checkpoint(checkpoint, space)
    supernet = build_supernet(space or AttentiveNASSpace(), num_classes=len(state["classifier.bias"]))
    supernet.load_state_dict(state)
    path = Path(checkpoint)
    return ReleasedSupernet(supernet=supernet, family=family, tag=tag, file=path.name, sha256=digest(path)["sha256"])


def store_released(released: ReleasedSupernet) -> Path:
    """Write the supernet to the store as safetensors; returns its folder."""
    folder = store.supernet_folder(released.family, released.tag)
    return save_supernet(released.supernet, folder, {"family": released.family, **released.about})


def publish_released(
    released: ReleasedSupernet, calibration: CalibrationImages, device: str | torch.device = "cpu"
) -> Iterator[Publication]:
    """Extract, recalibrate and publish every arch of the family, smallest first.

    The checkpoint's own BatchNorm statistics belong to no subnet, so these are estimated as the paper reports them: on
    training images resized inside the network to the arch's resolution.
    """
    released.supernet.to(device)
    with store.owned_tag(released.tag):
        for name, arch in released.archs.items():
            subnet = recalibrate_bn(released.supernet.extract(arch), calibration.batches).eval()
            publication = _publication(released, name, arch, subnet, calibration.description)
            publish(subnet, publication)
            yield publication


def _publication(released: ReleasedSupernet, name: str, arch: Arch, subnet: nn.Module, calibration: str) -> Publication:
    space, classes = released.supernet.space, len(released.supernet.get_parameter("classifier.bias"))
    subnet.resize_input = False  # type: ignore[assignment]  # timm feeds models at their own resolution
    return Publication(
        architecture=name,
        tag=released.tag,
        arch=arch,
        data_config={
            "input_size": (3, arch.resolution, arch.resolution),
            "interpolation": "bicubic",
            "crop_pct": 0.875,
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
        },
        class_names=_class_names(classes),
        metrics={},
        mflops=space.mflops(arch, num_classes=classes),
        params=space.params(arch, num_classes=classes, idle_shortcuts=False),
        dataset="imagenet-1k" if classes == 1000 else f"unknown, {classes} classes",
        license=RELEASED_LICENSE,
        run={"id": released.sha256[:12], "name": f"alphanet import {released.file}"},
        source={
            "checkpoint": released.file,
            "sha256": released.sha256,
            "licence": RELEASED_LICENSE,
            "BatchNorm statistics": f"re-estimated on {calibration}",
        },
    )


def _class_names(count: int) -> list[str]:
    return ImageNetInfo().label_names() if count == 1000 else [str(number) for number in range(count)]
