"""Publishing a subnet: a folder that timm loads, here or from a hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from timm.models._hub import save_config_for_hf
from torch import nn

from .. import store
from ..atomic import atomic_folder
from ..digest import digest
from ..errors import StoreError
from ..models import refresh_entries
from ..spaces import Arch
from .card import write_card


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is known of a subnet when it is published.

    Attributes:
        architecture: timm's model name, such as ``alphanet_a4``.
        tag: What distinguishes these weights, such as ``digits``.
        arch: The arch; `timm.create_model` builds the network from it.
        data_config: input_size (3, H, W), mean, std, interpolation and crop_pct of the images it was measured on.
        class_names: Names of the classes, in the order of the logits.
        metrics: Measured figures, such as ``{"top1": 97.2}`` in percent; empty if nothing was measured.
        mflops: Multiply-adds / 1e6 at the arch's resolution.
        params: Number of parameters.
        dataset: Name of the data set.
        recipe: The run's configuration, as plain values; empty if no run trained the weights.
        license: SPDX name of the weights' licence.
        source: Where converted weights come from, as plain values; empty for weights of a run of our own.
        protocol: How the metrics were measured, in words.
        picture: A PNG of the search's Pareto front; None or a path without a file for none.
    """

    architecture: str
    tag: str
    arch: Arch
    data_config: Mapping[str, Any]
    class_names: Sequence[str]
    metrics: Mapping[str, float]
    mflops: float
    params: int
    dataset: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    license: str = "apache-2.0"
    source: Mapping[str, str] = field(default_factory=dict)
    protocol: str = ""
    picture: Path | None = None

    def __post_init__(self) -> None:
        store.check_tag(self.tag)

    @property
    def name(self) -> str:
        """What `timm.create_model` takes."""
        return f"{self.architecture}.{self.tag}"


def publish(model: nn.Module, publication: Publication, folder: Path | None = None) -> Path:
    """Write ``model.safetensors``, ``config.json``, ``README.md`` and ``pareto.png`` if there is one, all or nothing.

    What the card says of cost and latency is counted and measured here, on the machine that publishes.

    Args:
        model: The static timm model, recalibrated.
        publication: What is known of it.
        folder: Where; by default the local store, where timm finds it by name. What stood there is replaced.

    Raises:
        StoreError: It could not be written; what stood there still stands.
    """
    path = folder or store.model_folder(publication.architecture, publication.tag)
    try:
        with atomic_folder(path) as beside:
            _write_weights(model, publication, beside / store.WEIGHTS_FILE)
            _write_config(model, publication, beside / store.CONFIG_FILE, digest(beside / store.WEIGHTS_FILE))
            if publication.picture is not None and publication.picture.is_file():
                shutil.copyfile(publication.picture, beside / store.PICTURE_FILE)
            write_card(model, publication, beside / store.CARD_FILE)
    except OSError as error:
        raise StoreError(f"cannot publish {publication.name} to {path}: {error}") from error
    refresh_entries()
    return path


def _write_weights(model: nn.Module, publication: Publication, path: Path) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise StoreError(f"cannot publish {publication.name}: {name} is not finite")
    metadata = {
        "format": "pt",
        "architecture": publication.architecture,
        "tag": publication.tag,
        "arch": str(publication.arch),
        "dataset": publication.dataset,
        "license": publication.license,
        "mflops": f"{publication.mflops:.6f}",
        "metrics": json.dumps(dict(publication.metrics)),
        "source": json.dumps(dict(publication.source)),
    }
    save_file(tensors, path, metadata=metadata)


def _space_of(model: nn.Module) -> dict[str, Any]:
    """What the model's config says of its space, where it needs to."""
    model_args = getattr(model, "_model_args", {})
    return {"space": model_args["space"]} if "space" in model_args else {}


def _write_config(model: nn.Module, publication: Publication, path: Path, weights: Mapping[str, Any]) -> None:
    model_config = {
        "architecture": publication.architecture,
        "num_classes": len(publication.class_names),
        "label_names": list(publication.class_names),
        "pretrained_cfg": {
            "architecture": publication.architecture,
            "tag": publication.tag,
            "num_classes": len(publication.class_names),
            "license": publication.license,
            "origin_url": None,
        },
        "alphanet": dict(weights),
    }
    save_config_for_hf(
        model,
        str(path),
        model_config=model_config,
        model_args={**_space_of(model), "arch": publication.arch.to_dict()},
        data_config=dict(publication.data_config),
    )
