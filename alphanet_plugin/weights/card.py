"""The model card of a published network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from torch import nn

from .. import store
from ..evaluation import count_operations, measure_latency
from ..models import protocols
from ..shipped import shipped

if TYPE_CHECKING:
    from .publish import Publication

_METRICS = {"top1": ("accuracy", "Top-1 accuracy (%)"), "top5": ("top_5_accuracy", "Top-5 accuracy (%)")}
_ORIGINS = {
    "alphanet": "one network of the AttentiveNAS search space",
    "attentive_nas": "one network of the AttentiveNAS search space",
    "us_mobilenet": "one width of a universally slimmable MobileNet",
}
_LATENCY_SECONDS = 0.5
_KINDS = {"batch_norm": "BatchNorm", "adaptive_avg_pool2d": "global pooling"}  # fvcore's names, in words


def write_card(model: nn.Module, publication: Publication, path: Path) -> None:
    """Fill ``model_cards/template.md`` with what is known and measured, and write it to `path`.

    The picture is shown if it lies beside `path`.
    """
    side = publication.data_config["input_size"][-1]
    card = ModelCard.from_template(
        _metadata(publication),
        template_path=str(shipped("model_cards/template.md")),
        name=publication.name,
        source_name=publication.name if publication.tag else "local-dir:PATH",
        tag=publication.tag,
        arch=str(publication.arch) if publication.arch is not None else "",
        dataset=publication.dataset,
        classes=len(publication.class_names),
        input_size="x".join(map(str, publication.data_config["input_size"])),
        figures={label: publication.metrics[key] for key, (_, label) in _METRICS.items() if key in publication.metrics},
        count=publication.metrics.get("count"),
        protocol=publication.protocol,
        protocols=protocols(side) if publication.arch is not None else "",
        picture=(path.parent / store.PICTURE_FILE).is_file(),
        source=dict(publication.source),
        start=publication.start,
        run=dict(publication.run),
        teacher=(publication.recipe.get("teacher") or {}).get("name"),
        recipe=yaml.safe_dump(dict(publication.recipe), sort_keys=False).strip() if publication.recipe else "",
        license_name=publication.license,
        non_commercial="-nc" in (publication.license or "").lower(),
        **(_subnet(model, publication) if publication.arch is not None else {}),
    )
    path.write_text(card.content, encoding="utf-8")


def _subnet(model: nn.Module, publication: Publication) -> dict[str, Any]:
    """What the card of a subnet says beside: its family, cost and latency."""
    name = family(publication.architecture)
    return {
        "origin": _ORIGINS[name],
        "family": shipped(f"model_cards/{name}.md").read_text(encoding="utf-8").strip(),
        "latency": measure_latency(model, publication.data_config["input_size"], min_seconds=_LATENCY_SECONDS),
        **_counts(model, publication),
    }


def family(architecture: str) -> str:
    """The family whose card a model has: ``alphanet``, ``attentive_nas`` or ``us_mobilenet``."""
    return next((name for name in ("attentive_nas", "us_mobilenet") if architecture.startswith(f"{name}_")), "alphanet")


def _metadata(publication: Publication) -> ModelCardData:
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=publication.dataset,
            dataset_name=publication.dataset,
            metric_type=kind,
            metric_name=label,
            metric_value=round(publication.metrics[key], 4),
        )
        for key, (kind, label) in _METRICS.items()
        if key in publication.metrics
    ]
    subnet = [family(publication.architecture), "neural-architecture-search"] if publication.arch is not None else []
    return ModelCardData(
        license=publication.license.lower() if publication.license else None,  # as the hub spells the SPDX names
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", *subnet],
        model_name=publication.name if results else None,
        eval_results=results or None,
    )


def _counts(model: nn.Module, publication: Publication) -> dict[str, Any]:
    """What the closed forms and fvcore count, in the template's words."""
    counted = count_operations(model, publication.data_config["input_size"])
    return {
        "mflops": _millions(publication.mflops),
        "params": f"{publication.params:,}",
        "counts_agree": (counted.multiply_adds, counted.params)
        == (round(publication.mflops * 1e6), publication.params),
        "counted_mflops": _millions(counted.multiply_adds / 1e6),
        "counted_params": f"{counted.params:,}",
        "counted_others": {_KINDS.get(kind, kind): _millions(n / 1e6) for kind, n in counted.others.items()},
    }


def _millions(count: float) -> str:
    return f"{count:,.2f}" if count >= 0.1 else f"{count:.4f}"
