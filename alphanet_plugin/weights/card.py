"""The model card of a published subnet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from torch import nn

from .. import store
from ..evaluation import count_operations, measure_latency
from ..models import Family, family_of_entry, protocols
from ..shipped import shipped

if TYPE_CHECKING:
    from .publish import Publication

_METRICS = {"top1": ("accuracy", "Top-1 accuracy (%)"), "top5": ("top_5_accuracy", "Top-5 accuracy (%)")}
_LATENCY_SECONDS = 0.5
_KINDS = {"batch_norm": "BatchNorm", "adaptive_avg_pool2d": "global pooling"}  # fvcore's names, in words


def write_card(model: nn.Module, publication: Publication, path: Path) -> None:
    """Fill ``model_cards/template.md`` with what is known and measured, and write it to `path`.

    The picture is shown if it lies beside `path`.
    """
    family = family_of_entry(publication.architecture)
    card = ModelCard.from_template(
        _metadata(publication, family),
        template_path=str(shipped("model_cards/template.md")),
        name=publication.name,
        arch=str(publication.arch),
        dataset=publication.dataset,
        classes=len(publication.class_names),
        params=f"{publication.params:,}",
        mflops=_millions(publication.mflops),
        input_size="x".join(map(str, publication.data_config["input_size"])),
        figures={label: publication.metrics[key] for key, (_, label) in _METRICS.items() if key in publication.metrics},
        count=publication.metrics.get("count"),
        protocol=publication.protocol,
        protocols=protocols(publication.data_config["input_size"][-1]),
        picture=(path.parent / store.PICTURE_FILE).is_file(),
        latency=measure_latency(model, publication.data_config["input_size"], min_seconds=_LATENCY_SECONDS),
        source=dict(publication.source),
        recipe=yaml.safe_dump(dict(publication.recipe), sort_keys=False).strip() if publication.recipe else "",
        origin=family.origin,
        family=shipped(f"model_cards/{family.card}.md").read_text(encoding="utf-8").strip(),
        license_name=publication.license,
        non_commercial="-nc" in publication.license.lower(),
        **_counts(model, publication),
    )
    path.write_text(card.content, encoding="utf-8")


def _metadata(publication: Publication, family: Family) -> ModelCardData:
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
    return ModelCardData(
        license=publication.license.lower(),  # as the hub spells the SPDX names
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", family.card, "neural-architecture-search"],
        model_name=publication.name if results else None,
        eval_results=results or None,
    )


def _counts(model: nn.Module, publication: Publication) -> dict[str, Any]:
    """What fvcore counts, in the template's words."""
    counted = count_operations(model, publication.data_config["input_size"])
    return {
        "counts_agree": (counted.multiply_adds, counted.params)
        == (round(publication.mflops * 1e6), publication.params),
        "counted_mflops": _millions(counted.multiply_adds / 1e6),
        "counted_params": f"{counted.params:,}",
        "counted_others": {_KINDS.get(kind, kind): _millions(n / 1e6) for kind, n in counted.others.items()},
    }


def _millions(count: float) -> str:
    return f"{count:,.2f}" if count >= 0.1 else f"{count:.4f}"
