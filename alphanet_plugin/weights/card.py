"""The model card of a published subnet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..shipped import shipped

if TYPE_CHECKING:
    from .publish import Publication

_METRICS = {"top1": ("accuracy", "Top-1 accuracy (%)"), "top5": ("top_5_accuracy", "Top-5 accuracy (%)")}


def write_card(publication: Publication, path: Path) -> None:
    """Fill ``model_cards/template.md`` with what was measured and write it to `path`."""
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
    data = ModelCardData(
        license=publication.license,
        library_name="timm",
        pipeline_tag="image-classification",
        tags=["image-classification", "timm", "alphanet", "neural-architecture-search"],
        model_name=publication.name,
        eval_results=results,
    )
    card = ModelCard.from_template(
        data,
        template_path=str(shipped("model_cards/template.md")),
        name=publication.name,
        arch=str(publication.arch),
        dataset=publication.dataset,
        classes=len(publication.class_names),
        mflops=f"{publication.mflops:,.2f}",
        params=f"{publication.params:,}",
        input_size="x".join(map(str, publication.data_config["input_size"])),
        crop_pct=publication.data_config["crop_pct"],
        interpolation=publication.data_config["interpolation"],
        figures={label: publication.metrics[key] for key, (_, label) in _METRICS.items() if key in publication.metrics},
        recipe=yaml.safe_dump(dict(publication.recipe), sort_keys=False).strip(),
        license_name=publication.license,
        source=dict(publication.source),
    )
    path.write_text(card.content, encoding="utf-8")
