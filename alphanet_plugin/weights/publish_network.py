"""A trained timm network as a folder that timm loads: safetensors, config.json and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from huggingface_hub import ModelCard, ModelCardData
from safetensors.torch import save_file
from timm.models._hub import save_config_for_hf
from torch import nn

from .. import store
from ..atomic import atomic_folder
from ..digest import digest
from ..errors import StoreError
from ..shipped import shipped


@dataclass(frozen=True, kw_only=True)
class NetworkPublication:
    """What is known of a network that a run has trained.

    Attributes:
        name: timm's name of the network, as the run was given it.
        data_config: input_size (3, H, W), mean, std, interpolation and crop_pct of the images it was measured on.
        class_names: Names of the classes, in the order of the logits.
        metrics: Measured on the test images: ``top1`` and ``top5`` in percent, ``loss``, ``count``.
        dataset: Name of the data set.
        recipe: The run's configuration, as plain values.
        model_args: Arguments of `timm.create_model` that JSON cannot hold as they are, in a form that it can.
        license: SPDX name of the weights' licence; None where nothing is said of it.
    """

    name: str
    data_config: Mapping[str, Any]
    class_names: Sequence[str]
    metrics: Mapping[str, float]
    dataset: str
    recipe: Mapping[str, Any]
    model_args: Mapping[str, Any] = field(default_factory=dict)
    license: str | None = None


def publish_network(model: nn.Module, publication: NetworkPublication, folder: Path) -> None:
    """Write ``model.safetensors``, ``config.json`` and ``README.md``, all or nothing; what stood there is replaced.

    `timm.create_model("local-dir:FOLDER", pretrained=True)` then loads the network.

    Raises:
        StoreError: It could not be written; what stood there still stands.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise StoreError(f"cannot write {publication.name} to {folder}: {name} is not finite")
    try:
        with atomic_folder(folder) as beside:
            save_file(tensors, beside / store.WEIGHTS_FILE, metadata={"format": "pt"})
            _write_config(model, publication, beside)
            _write_card(publication, beside / store.CARD_FILE)
    except OSError as error:
        raise StoreError(f"cannot write {publication.name} to {folder}: {error}") from error


def _write_config(model: nn.Module, publication: NetworkPublication, folder: Path) -> None:
    model_config = {
        "label_names": list(publication.class_names),
        "pretrained_cfg": {"tag": publication.dataset, "license": publication.license, "origin_url": None},
        "alphanet": {**digest(folder / store.WEIGHTS_FILE), "metrics": dict(publication.metrics)},
    }
    save_config_for_hf(
        model,
        str(folder / store.CONFIG_FILE),
        model_config=model_config,
        model_args=dict(publication.model_args),
        data_config=dict(publication.data_config),
    )


def _write_card(publication: NetworkPublication, path: Path) -> None:
    metadata = ModelCardData(
        license=publication.license.lower() if publication.license else None,
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm"],
    )
    card = ModelCard.from_template(
        metadata,
        template_path=str(shipped("model_cards/network.md")),
        name=publication.name,
        dataset=publication.dataset,
        classes=len(publication.class_names),
        input_size="x".join(map(str, publication.data_config["input_size"])),
        top1=publication.metrics["top1"],
        top5=publication.metrics["top5"],
        count=publication.metrics["count"],
        teacher=(publication.recipe.get("teacher") or {}).get("name"),
        recipe=yaml.safe_dump(dict(publication.recipe), sort_keys=False).strip(),
    )
    path.write_text(card.content, encoding="utf-8")
