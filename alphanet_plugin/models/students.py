"""timm entries of students of the AlphaNet paper (section 4.4, table 6) that timm lacks: ShuffleNetV2, MobileNets."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import torch
from timm.layers import SelectAdaptivePool2d
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.efficientnet import _gen_mobilenet_v2
from timm.models.mobilenetv3 import _gen_mobilenet_v3
from torch import Tensor, nn
from torchvision.models.shufflenetv2 import ShuffleNetV2 as TorchvisionShuffleNetV2

__all__: list[str] = []

_REPEATS = [4, 8, 4]
_CHANNELS = {
    "shufflenetv2_x0_5": [24, 48, 96, 192, 1024],
    "shufflenetv2_x1_0": [24, 116, 232, 464, 1024],
}


class ShuffleNetV2(TorchvisionShuffleNetV2):
    """torchvision's ShuffleNetV2 (Ma et al. 2018) with the face of a timm model; torchvision's weights fit it.

    Args:
        channels: Of the stem, the three stages and the last convolution.
        num_classes: 0 for none: the network then returns pooled features (B, 1024).
        in_chans: Channels of the images.
        global_pool: timm's name of a pooling, such as ``avg``.
        drop_rate: Dropout before the classifier.
        device: Where the weights are made.
        dtype: Of the weights.
    """

    def __init__(
        self,
        channels: list[int],
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        with torch.device(device) if device is not None else nullcontext():
            super().__init__(_REPEATS, channels)
            if in_chans != 3:
                self.conv1[0] = nn.Conv2d(in_chans, channels[0], 3, 2, 1, bias=False)
        self.to(dtype=dtype)
        self.num_features = self.head_hidden_size = channels[-1]
        self.drop_rate = drop_rate
        stages = zip(channels, (2, 8, 16, 32), ("conv1", "stage2", "stage3", "stage4"), strict=False)
        self.feature_info = [{"num_chs": width, "reduction": stride, "module": name} for width, stride, name in stages]
        self.reset_classifier(num_classes, global_pool)

    def get_classifier(self) -> nn.Module:
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new classifier, on the device and of the type of the weights."""
        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = SelectAdaptivePool2d(pool_type=global_pool, flatten=True)
        like = cast(nn.Conv2d, self.conv1[0]).weight
        place: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        self.fc = nn.Linear(self.num_features, num_classes, **place) if num_classes else nn.Identity()  # type: ignore

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, 1024, H / 32, W / 32)."""
        x = self.maxpool(self.conv1(x))
        return self.conv5(self.stage4(self.stage3(self.stage2(x))))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Features -> logits (B, K), or what the classifier is given."""
        x = nn.functional.dropout(self.global_pool(x), self.drop_rate, self.training)
        return x if pre_logits else self.fc(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    @torch.jit.ignore  # type: ignore[arg-type]
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Layers by depth, for layer-wise learning rates."""
        return {"stem": r"^conv1", "blocks": r"^stage(\d)" if coarse else r"^stage(\d)\.(\d+)"}


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
_OF_SHUFFLENET = {
    "interpolation": "bilinear", "first_conv": "conv1.0", "classifier": "fc", "paper_ids": "arXiv:1807.11164",
}  # fmt: skip
default_cfgs = generate_default_cfgs(
    {
        **{name: {**_CFG, **_OF_SHUFFLENET} for name in _CHANNELS},
        "mobilenetv2_025": _CFG,
        "mobilenetv3_large_050": _CFG,
    }
)


def _create(name: str, pretrained: bool, kwargs: dict[str, Any]) -> ShuffleNetV2:
    model = build_model_with_cfg(
        cast(Any, ShuffleNetV2),
        name,
        pretrained,
        channels=_CHANNELS[name],
        feature_cfg={"out_indices": (0, 1, 2, 3), "flatten_sequential": False},
        **kwargs,
    )
    return cast(ShuffleNetV2, model)


@register_model
def shufflenetv2_x0_5(pretrained: bool = False, **kwargs: Any) -> ShuffleNetV2:
    """ShuffleNetV2 0.5x: 40.5 MFLOPs at 224 pixels."""
    return _create("shufflenetv2_x0_5", pretrained, kwargs)


@register_model
def shufflenetv2_x1_0(pretrained: bool = False, **kwargs: Any) -> ShuffleNetV2:
    """ShuffleNetV2 1.0x: 144.9 MFLOPs at 224 pixels."""
    return _create("shufflenetv2_x1_0", pretrained, kwargs)


@register_model
def mobilenetv2_025(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MobileNetV2 at multiplier 0.25, by timm's generator."""
    return _gen_mobilenet_v2("mobilenetv2_025", 0.25, pretrained=pretrained, **kwargs)


@register_model
def mobilenetv3_large_050(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MobileNetV3 Large at multiplier 0.5, by timm's generator."""
    return _gen_mobilenet_v3("mobilenetv3_large_050", 0.5, pretrained=pretrained, **kwargs)
