"""Publishing a network, a subnet of a supernet or another: a folder that timm loads, here or from a hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timm.models._hub import save_config_for_hf
from torch import nn

from .. import store
from ..atomic import atomic_folder
from ..digest import digest
from ..errors import StoreError
from ..models import refresh_entries
from ..spaces import Arch
from .card import write_card
from .weight_file import write_weights

_LEAST_TOP5_CLASSES = 6  # of fewer, every answer is among the five highest


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is known of a network when it is published.

    Attributes:
        architecture: timm's model name, such as ``alphanet_a4``.
        tag: What distinguishes these weights, such as ``digits``; empty for a network outside the store.
        arch: Of a subnet: the arch; `timm.create_model` builds the network from it.
        data_config: input_size (C, H, W), mean, std, interpolation and crop_pct of the images it was measured on.
        class_names: Names of the classes, in the order of the logits.
        metrics: Measured figures, such as ``{"top1": 97.2}`` in percent; empty if nothing was measured. A top-5 of
            five classes or fewer is left out.
        mflops: Of a subnet: multiply-adds / 1e6 at the arch's resolution.
        params: Of a subnet: number of parameters.
        dataset: Name of the data set.
        recipe: The run's configuration, as plain values; empty if no run trained the weights.
        model_args: Arguments of `timm.create_model` that JSON cannot hold as they are, in a form that it can.
        license: SPDX name of the weights' licence; None where nothing is said of it.
        source: Where converted weights come from, as plain values; empty for weights of a run of our own.
        start: The weights that the training began from, in words; empty for random ones.
        run: ``id`` and ``name`` of the run that publishes; empty for none.
        protocol: How the metrics were measured, in words.
        picture: A PNG of the search's Pareto front; None or a path without a file for none.
    """

    architecture: str
    tag: str = ""
    arch: Arch | None = None
    data_config: Mapping[str, Any]
    class_names: Sequence[str]
    metrics: Mapping[str, float]
    mflops: float = 0.0
    params: int = 0
    dataset: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    model_args: Mapping[str, Any] = field(default_factory=dict)
    license: str | None = "apache-2.0"
    source: Mapping[str, str] = field(default_factory=dict)
    start: str = ""
    run: Mapping[str, str] = field(default_factory=dict)
    protocol: str = ""
    picture: Path | None = None

    def __post_init__(self) -> None:
        if self.tag:
            store.check_tag(self.tag)
        if len(self.class_names) < _LEAST_TOP5_CLASSES and "top5" in self.metrics:
            told = {name: value for name, value in self.metrics.items() if name != "top5"}
            object.__setattr__(self, "metrics", told)

    @property
    def name(self) -> str:
        """What `timm.create_model` takes; without a tag, the architecture."""
        return f"{self.architecture}.{self.tag}" if self.tag else self.architecture


def publish(model: nn.Module, publication: Publication, folder: Path | None = None) -> Path:
    """Write ``model.safetensors``, ``config.json``, ``README.md`` and ``pareto.png`` if there is one, all or nothing.

    `timm.create_model("local-dir:FOLDER", pretrained=True)` loads the network, and from the store its name does. The
    same weights and publication give the same bytes, but for the latency that the card of a subnet tells: that and its
    cost are measured and counted here, on the machine that publishes.

    Args:
        model: The static timm model; a subnet is recalibrated.
        publication: What is known of it.
        folder: Where; by default the local store, where timm finds it by name. What stood there is replaced.

    Raises:
        StoreError: It could not be written; what stood there still stands.
    """
    path = folder or store.model_folder(publication.architecture, publication.tag)
    try:
        with atomic_folder(path) as beside:
            write_weights(model, beside / store.WEIGHTS_FILE, _weights_metadata(publication))
            if publication.picture is not None and publication.picture.is_file():
                shutil.copyfile(publication.picture, beside / store.PICTURE_FILE)
            write_card(model, publication, beside / store.CARD_FILE)
            _write_config(model, publication, beside / store.CONFIG_FILE)
    except (OSError, StoreError) as error:
        raise StoreError(f"cannot publish {publication.name} to {path}: {error}") from error
    if folder is None:
        refresh_entries()
    return path


def _weights_metadata(publication: Publication) -> dict[str, str]:
    if publication.arch is None:
        return {}
    return {
        "architecture": publication.architecture,
        "tag": publication.tag,
        "arch": str(publication.arch),
        "dataset": publication.dataset,
        "license": publication.license or "",
        "mflops": f"{publication.mflops:.6f}",
        "metrics": json.dumps(dict(publication.metrics)),
        "source": json.dumps(dict(publication.source)),
    }


def _space_of(model: nn.Module) -> dict[str, Any]:
    """What the model's config says of its space, where it needs to."""
    model_args = getattr(model, "_model_args", {})
    return {"space": model_args["space"]} if "space" in model_args else {}


def _write_config(model: nn.Module, publication: Publication, path: Path) -> None:
    subnet = publication.arch is not None
    own = {**_space_of(model), "arch": publication.arch.to_dict()} if publication.arch is not None else {}
    cfg = {"tag": publication.tag or publication.dataset, "license": publication.license, "origin_url": None}
    if subnet:
        cfg |= {"architecture": publication.architecture, "num_classes": len(publication.class_names)}
    training = {"dataset": publication.dataset, "start": publication.start, "run": dict(publication.run)}
    save_config_for_hf(
        model,
        str(path),
        model_config={
            "num_classes": len(publication.class_names),
            "label_names": list(publication.class_names),
            "pretrained_cfg": cfg,
            "alphanet": {
                **digest(path.parent / store.WEIGHTS_FILE),
                **({} if subnet else {"metrics": dict(publication.metrics)}),
            },
            "training": {key: value for key, value in training.items() if value},
        },
        model_args={**publication.model_args, **own},
        data_config=dict(publication.data_config),
    )
    config = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    # It stands outside already, and transformers' TimmWrapper would give it to timm twice.
    config.get("model_args", {}).pop("num_classes", None)
    path.write_text(json.dumps(store.with_digests(config, path.parent), indent=2), encoding="utf-8")
