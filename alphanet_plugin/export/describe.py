"""What an exported file says of its model: what it is, and how its images are prepared."""

from __future__ import annotations

import json
from typing import Any

from ..data import preparation_of


def describe(model: Any) -> dict[str, str]:
    """Facts by name, each as text; what is no text is JSON.

    Args:
        model: A timm model.

    Returns:
        ``architecture``, ``tag``, ``arch`` (of an AlphaNet), ``license``, ``num_classes`` and ``class_names`` (JSON,
        in the order of the logits), where they are known; of a ``features_only`` backbone ``feature_channels`` and
        ``feature_reductions`` (JSON, in the order of its outputs) instead; and of the images ``input_size`` (JSON:
        channels, height, width), ``mean``, ``std``, ``interpolation``, ``crop_pct``, ``crop_mode``, and how they go in
        (``input``): those of testing where the model's cfg has such, as `alphanet evaluate` measures it.
    """
    cfg = model.pretrained_cfg
    known = {
        **{name: cfg.get(name) for name in ("architecture", "tag", "license")},
        "arch": str(model.arch) if hasattr(model, "arch") else None,
        **_outputs(model),
        **vars(preparation_of(model)),
        "input": "float32 NCHW, RGB / 255, minus mean, over std",
    }
    return {name: _text(value) for name, value in known.items() if value not in (None, "")}


def _outputs(model: Any) -> dict[str, Any]:
    if not hasattr(model, "num_classes"):  # a backbone, as timm makes it
        info = model.feature_info
        return {"feature_channels": info.channels(), "feature_reductions": info.reduction()}
    return {"num_classes": model.num_classes, "class_names": _class_names(model)}


def _class_names(model: Any) -> Any:
    """Names of the classes, where they are those of the classifier that the model has now."""
    names = model.pretrained_cfg.get("label_names")
    return list(names) if isinstance(names, (list, tuple)) and len(names) == model.num_classes else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
