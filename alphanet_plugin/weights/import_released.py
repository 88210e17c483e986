"""Released supernets become models that timm loads by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from timm.data import ImageNetInfo
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from .. import store
from ..data import CalibrationImages
from ..digest import digest
from ..errors import ConfigError
from ..evaluation import norm_statistics, put_norm_statistics, recalibrate_bn
from ..models import FAMILIES, Family, entry_name, family_of, read_space
from ..models.family import Released
from ..models.read_arch import DEFAULT_SPACE, GivenSpace
from ..spaces import Arch, SearchSpace
from ..supernet import Supernet, build_supernet
from .publish import Publication, publish
from .released import read_supernet_checkpoint
from .replacing import published_under, refuse_taken
from .supernet_files import save_supernet, supernet_source, transform_of


@dataclass(frozen=True, kw_only=True)
class ReleasedSupernet:
    """A released checkpoint, read and checked against its space.

    Attributes:
        supernet: With the checkpoint's weights, resizing its input inside.
        family: By which method it was trained, and how its models are called.
        tag: Of the models, such as ``fb_in1k``.
        file: Name of the checkpoint.
        sha256: Of the checkpoint.
    """

    supernet: Supernet
    family: Family
    tag: str
    file: str
    sha256: str

    @property
    def archs(self) -> dict[str, Arch]:
        """What is published, as ``ENTRY.TAG`` -> arch, smallest first: archs of the family's entries and presets."""
        space, family = self.supernet.space, self.family
        archs = {f"{name}.{self.tag}": arch for name, arch in family.archs.items()}
        if family is family_of(space):
            archs |= {entry_name(space, self.tag, preset): arch for preset, arch in space.presets.items()}
        return dict(sorted(archs.items(), key=lambda item: space.mflops(item[1])))

    @property
    def about(self) -> dict[str, Any]:
        """Where the weights come from, in plain values."""
        return {"source": {"file": self.file, "sha256": self.sha256}, "license": self.released.license}

    @property
    def record(self) -> dict[str, str]:
        """``id`` and ``name`` by which its models tell where they come from, as a run's do."""
        return {"id": self.sha256[:12], "name": f"alphanet import {self.file}"}

    @property
    def released(self) -> Released:
        """What is known of the family's released checkpoints."""
        assert self.family.released is not None
        return self.family.released


def released_family(space: SearchSpace, name: str | None = None) -> Family:
    """The family that a checkpoint of a space makes models of.

    Args:
        space: The checkpoint's.
        name: Which, where there are several; None for the first.

    Raises:
        ConfigError: No checkpoints of the space are known, or the space has no such family.
    """
    known = {family.name: family for family in FAMILIES if family.released and family.space == space.name}
    if not known:
        spaces = ", ".join(dict.fromkeys(family.space for family in FAMILIES if family.released))
        raise ConfigError(f"released checkpoints are of the spaces {spaces}, not {space.name}")
    if name is not None and name not in known:
        raise ConfigError(f"family of a checkpoint of {space.name} must be {' or '.join(known)}, not {name!r}")
    return known[name] if name else next(iter(known.values()))


def read_released(
    checkpoint: str | PathLike[str],
    *,
    space: GivenSpace = DEFAULT_SPACE,
    family: str | None = None,
    tag: str | None = None,
) -> ReleasedSupernet:
    """Read a released checkpoint; nothing in it is run.

    Args:
        checkpoint: The file.
        space: Its space, in any form that `models.read_space` takes.
        family: Where the space has several, which; by default the first.
        tag: Of the models; by default the family's.

    Raises:
        CheckpointError: It cannot be read, or does not fit the space.
        ConfigError: No such family.
        ValueError: The tag is none.
    """
    space = read_space(space)
    own = released_family(space, family)
    assert own.released is not None
    tag = tag or own.released.tag
    store.check_tag(tag)
    state = read_supernet_checkpoint(checkpoint, space)
    supernet = build_supernet(space, num_classes=len(state["classifier.bias"]), **transform_of(state))
    supernet.load_state_dict(state)
    path = Path(checkpoint)
    return ReleasedSupernet(supernet=supernet, family=own, tag=tag, file=path.name, sha256=digest(path)["sha256"])


def store_released(released: ReleasedSupernet, *, replace: bool = False) -> Path:
    """Write the supernet to the store as safetensors; returns its folder.

    Raises:
        StoreError: The store has another checkpoint's supernet by that name and `replace` is False, or it cannot be
            written.
    """
    folder = store.supernet_folder(released.family.name, released.tag)
    before = supernet_source(folder)
    if not replace and before is not None and before.get("sha256") != released.sha256:
        run = {"id": before["sha256"][:12], "name": f"alphanet import {before['file']}"} if before else {}
        refuse_taken(released.tag, {f"the supernet {folder.name}": run})
    return save_supernet(released.supernet, folder, {"family": released.family.name, **released.about})


def statistics_of(
    released: ReleasedSupernet, calibration: CalibrationImages, device: str | torch.device = "cpu"
) -> Callable[[Arch], dict[str, Tensor]]:
    """Arch -> its BatchNorm statistics, estimated on `device`; see `publish_released`."""
    released.supernet.to(device)
    return lambda arch: norm_statistics(recalibrate_bn(released.supernet.extract(arch), calibration.batches))


def publish_released(
    released: ReleasedSupernet,
    calibration: CalibrationImages,
    device: str | torch.device = "cpu",
    *,
    replace: bool = False,
    estimate: Callable[[Sequence[Arch]], Iterator[dict[str, Tensor]]] | None = None,
) -> Iterator[Publication]:
    """Extract, recalibrate and publish every arch of the family, smallest first.

    The checkpoint's own BatchNorm statistics belong to no subnet, so these are estimated as the paper reports them: on
    training images resized inside the network to the arch's resolution.

    Args:
        released: The checkpoint.
        calibration: The images.
        device: Where statistics are estimated.
        replace: Whether models of another run or checkpoint under the tag may go; they do when all of these are there.
        estimate: Archs -> what `statistics_of` gives of each, in their order, by several processes for one; by default
            one after the other here.

    Raises:
        StoreError: Others have the tag and `replace` is False, or a model cannot be written.
        InUseError: Another process is publishing under the tag.
    """
    archs = list(released.archs.values())
    with published_under(released.tag, released.record, released.archs, replace=replace):
        every = estimate(archs) if estimate else map(statistics_of(released, calibration, device), archs)
        for (name, arch), statistics in zip(released.archs.items(), every, strict=True):
            subnet = released.supernet.extract(arch).eval()
            put_norm_statistics(subnet, statistics)
            publication = _publication(released, name, arch, subnet, calibration.description)
            publish(subnet, publication)
            yield publication


def _publication(released: ReleasedSupernet, name: str, arch: Arch, subnet: nn.Module, calibration: str) -> Publication:
    space, classes = released.supernet.space, len(released.supernet.get_parameter("classifier.bias"))
    subnet.resize_input = False  # type: ignore[assignment]  # timm feeds models at their own resolution
    return Publication(
        architecture=name.partition(".")[0],
        tag=name.partition(".")[2],
        arch=arch,
        data_config={
            "input_size": (3, arch.resolution, arch.resolution),
            "interpolation": released.released.interpolation,
            "crop_pct": 0.875,
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
        },
        class_names=_class_names(classes),
        metrics={},
        mflops=space.mflops(arch, num_classes=classes),
        params=space.params(arch, num_classes=classes, idle_shortcuts=False),
        dataset="imagenet-1k" if classes == 1000 else f"unknown, {classes} classes",
        license=released.released.license,
        run=released.record,
        source={
            "checkpoint": released.file,
            "sha256": released.sha256,
            "licence": released.released.license,
            "BatchNorm statistics": f"re-estimated on {calibration}",
        },
    )


def _class_names(count: int) -> list[str]:
    return ImageNetInfo().label_names() if count == 1000 else [str(number) for number in range(count)]
