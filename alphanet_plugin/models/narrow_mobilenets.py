"""timm entries of MobileNets at multipliers that timm does not list: students of the AlphaNet paper's section 4.4."""

from __future__ import annotations

from typing import Any

from timm.models import generate_default_cfgs, register_model
from timm.models.efficientnet import _gen_mobilenet_v2
from timm.models.mobilenetv3 import _gen_mobilenet_v3
from torch import nn

__all__: list[str] = []

_CFG = {
    "url": "",
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "pool_size": (7, 7),
    "crop_pct": 0.875,
    "interpolation": "bicubic",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "first_conv": "conv_stem",
    "classifier": "classifier",
}
default_cfgs = generate_default_cfgs({"mobilenetv2_025": _CFG, "mobilenetv3_large_050": _CFG})


@register_model
def mobilenetv2_025(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MobileNetV2 at multiplier 0.25, by timm's generator."""
    return _gen_mobilenet_v2("mobilenetv2_025", 0.25, pretrained=pretrained, **kwargs)


@register_model
def mobilenetv3_large_050(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MobileNetV3 Large at multiplier 0.5, by timm's generator."""
    return _gen_mobilenet_v3("mobilenetv3_large_050", 0.5, pretrained=pretrained, **kwargs)
