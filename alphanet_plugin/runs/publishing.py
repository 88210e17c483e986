"""A trained run's subnets become published models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .. import store, weights
from ..digest import json_digest
from ..errors import ConfigError, brief
from ..evaluation import Metrics, norm_statistics, put_norm_statistics
from ..models import entry_name, to_memory_format
from ..nearest import did_you_mean
from ..search import pick_spread
from ..spaces import Arch
from ..weights import Publication, publish
from .accelerator import tracked
from .identity import trained_identity
from .ranks import Ranks
from .searching import search_front
from .start import kept_start
from .trained_run import Deployed, Deployment, TrainedRun, about_run, cost_of_run


def to_publish(run: TrainedRun, archs: Sequence[Arch] = ()) -> dict[str, Arch]:
    """Name of `timm.create_model` -> arch, cheapest first.

    Args:
        run: The run.
        archs: What to publish; by default the configured presets and a spread of the search's Pareto front.

    Raises:
        ConfigError: A preset is not the space's, or the tag says ImageNet and the images are others.
        SearchError: The history or the latency table is not this run's, or the table cannot be filled up here.
    """
    check_tag(run)
    by_arch = {arch: preset for preset, arch in reversed(list(run.space.presets.items()))}
    presets = {arch: by_arch[arch] for arch in archs if arch in by_arch} if archs else _configured_presets(run)
    chosen = {entry_name(run.space, run.config.publish.tag, preset): arch for arch, preset in presets.items()}
    for arch in archs or _spread_of_front(run):
        if arch not in chosen.values():
            chosen[_sized_name(run, arch, chosen)] = arch
    return dict(sorted(chosen.items(), key=lambda item: run.mflops(item[1])))


def check_tag(run: TrainedRun) -> None:
    """ConfigError if the tag says ImageNet, in timm's way of naming, and the run's images are others."""
    tag, splits = run.config.publish.tag, run.splits
    store.check_tag(tag)
    about = {
        "num_classes": splits.num_classes,
        "label_names": list(splits.class_names),
        "training": {"dataset": splits.name},
    }
    if store.is_imagenet(tag) and not store.is_imagenet(tag, about):
        raise ConfigError(
            f"publish.tag: {tag!r} says ImageNet, and the {splits.num_classes} classes of {splits.name} "
            f"({', '.join(splits.class_names[:3])}, ...) are not ImageNet's; give another, such as --tag "
            f"{suggest_tag(run)}"
        )


def suggest_tag(run: TrainedRun) -> str:
    """The configured tag if it says nothing wrong and is not the default, else one of the run's folder."""
    tag = run.config.publish.tag
    if tag != type(run.config.publish)().tag and not store.is_imagenet(tag):
        return tag
    return re.sub(r"[^0-9A-Za-z_-]+", "_", run.folder.path.resolve().name).strip("_") or "mine"


def run_record(run: TrainedRun) -> dict[str, str]:
    """``id`` and ``name`` by which published models tell their run; the id is of all but the images' pixels."""
    splits = run.splits
    about = [
        trained_identity(run.config, run.checkpoint),
        list(splits.class_names),
        len(splits.train),
        len(splits.test),
    ]
    return {"id": json_digest(about, 12), "name": run.folder.path.resolve().name}


def published_of(run: TrainedRun) -> list[store.Published]:
    """What the store holds of this run."""
    mine = run_record(run)["id"]
    return [entry for entry in store.list_published() if entry.run.get("id") == mine]


def check_replaceable(run: TrainedRun, chosen: Iterable[str]) -> None:
    """StoreError if another run's models have the tag; it says whose, and how to replace them."""
    weights.check_replaceable(run.config.publish.tag, run_record(run), chosen)


def publish_run(
    run: TrainedRun, chosen: Mapping[str, Arch], *, replace: bool = False, ranks: Ranks | None = None
) -> Iterator[Publication]:
    """Recalibrate, measure on the test images, and publish each of ``ARCHITECTURE.TAG`` -> arch to the local store.

    One process at a time publishes under a tag.

    Args:
        run: The run.
        chosen: Of `to_publish`.
        replace: Whether another run's models under the tag may go; they do when all of this run's are there.
        ranks: Who recalibrates and measures beside this process; see `help_publish`.

    Raises:
        StoreError: Another run's models have the tag and `replace` is False; or a model cannot be written.
        InUseError: Another process is publishing under the tag.
    """
    tag, record, ranks = run.config.publish.tag, run_record(run), ranks or Ranks()
    replacing = weights.published_under(tag, record, chosen, replace=replace)
    ordered = sorted(chosen.items(), key=lambda item: item[1].resolution)
    measuring = Measuring(run)
    ranks.offer([measuring], about_run(run))
    with replacing, tracked(run.config, "publish") as track:
        every = ranks.spread(measuring, [arch for _, arch in ordered])
        for (name, arch), measured in zip(ordered, every, strict=True):
            one = _publish(run, name, arch, measured, record)
            track({f"{name}/{key}": value for key, value in one.metrics.items()}, None)
            yield one


def help_publish(run: TrainedRun, ranks: Ranks) -> None:
    """Recalibrate and measure what the first process of `ranks` hands out, until it ends; for each of the others."""
    ranks.serve([Measuring(run)], about_run(run))


@dataclass(frozen=True)
class Measured:
    """What is found out of a subnet for its publication, wherever that is done.

    Attributes:
        norms: Of BatchNorm, as `norm_statistics` gives them.
        metrics: On the test images.
        data_config: As timm prepares images for it.
        protocol: How it was measured, in words.
    """

    norms: dict[str, Tensor]
    metrics: Metrics
    data_config: Mapping[str, Any]
    protocol: str


class Measuring:
    """Arch -> `Measured`; images of one resolution stay for the next arch."""

    def __init__(self, run: TrainedRun):
        self._run = run
        self._deployment: Deployment | None = None

    def __call__(self, arch: Arch) -> Measured:
        if self._deployment is None or self._deployment.splits.image_size != arch.resolution:
            self._deployment = Deployment(self._run, int(arch.resolution))
        subnet, metrics = self._deployment.measure(arch)
        splits = self._deployment.splits
        protocol = (
            f"timm's, input at {arch.resolution} pixels ({splits.interpolation}, centre crop "
            f"{splits.crop_pct:g}); test images, which neither training nor search saw"
        )
        return Measured(norm_statistics(subnet), metrics, splits.data_config, protocol)


def _publish(run: TrainedRun, name: str, arch: Arch, measured: Measured, record: Mapping[str, str]) -> Publication:
    device = run.supernet.get_parameter("classifier.bias").device
    subnet = to_memory_format(Deployed(run.supernet).extract(arch), device).eval()
    put_norm_statistics(subnet, measured.norms)
    architecture, _, tag = name.partition(".")
    publication = Publication(
        architecture=architecture,
        tag=tag,
        arch=arch,
        data_config=measured.data_config,
        class_names=run.splits.class_names,
        metrics=measured.metrics.to_dict(),
        mflops=run.mflops(arch),
        params=run.params(arch),
        dataset=run.splits.name,
        recipe=trained_identity(run.config, run.checkpoint, defaults=True),
        run=record,
        start=kept_start(run.folder, run.config.training.init or ""),
        protocol=measured.protocol,
        picture=run.folder.picture,
    )
    publish(subnet, publication)
    return publication


def _configured_presets(run: TrainedRun) -> dict[Arch, str]:
    presets, names = run.space.presets, run.config.publish.presets
    for name in names or ():
        if name not in presets:
            raise ConfigError(
                f"publish.presets: {brief(name)} is no preset of the space; {did_you_mean(name, presets)}"
            )
    return {presets[name]: name for name in (presets if names is None else names)}


def _spread_of_front(run: TrainedRun) -> list[Arch]:
    count = run.config.publish.front
    front = search_front(run) if count else []
    if not front:
        return []
    return [subnet.arch for subnet in pick_spread(front, count, cost=cost_of_run(run, measuring=False).of)]


def _sized_name(run: TrainedRun, arch: Arch, chosen: Mapping[str, Arch]) -> str:
    """The entry of any arch, with the MFLOPs behind the tag; a name that another arch of this run has is not taken."""
    size = f"{run.mflops(arch):.1f}".replace(".", "p")
    name = first = f"{entry_name(run.space, run.config.publish.tag)}_{size}m"
    number = 1
    while name in chosen or _is_another_arch(run, name, arch):
        number += 1
        name = f"{first}_{number}"
    return name


def _is_another_arch(run: TrainedRun, name: str, arch: Arch) -> bool:
    """Whether the store has a model of this run by that name with another arch."""
    folder = store.model_folder(*name.split(".", 1))
    try:
        entry = store.read_published(folder)
    except (OSError, ValueError):
        return False
    return entry.run.get("id") == run_record(run)["id"] and entry.config.get("model_args", {}).get(
        "arch"
    ) != json.loads(json.dumps(arch.to_dict()))
