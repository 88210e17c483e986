"""The supernet of a space."""

from __future__ import annotations

from typing import Any

from ..spaces import AttentiveNASSpace, SearchSpace, UsMobileNetV1Space, UsMobileNetV2Space
from .alphanet import AlphaNetSupernet
from .supernet import Supernet
from .us_mobilenet import UsMobileNetV1Supernet, UsMobileNetV2Supernet

_SUPERNETS: dict[type[SearchSpace], Any] = {
    AttentiveNASSpace: AlphaNetSupernet,
    UsMobileNetV1Space: UsMobileNetV1Supernet,
    UsMobileNetV2Space: UsMobileNetV2Supernet,
}


def build_supernet(space: SearchSpace, num_classes: int = 1000, **options: Any) -> Supernet:
    """The supernet of a space.

    Args:
        space: From `alphanet_plugin.get_space`.
        num_classes: Outputs of the classifier.
        options: As every supernet takes them: resize_input, drop_rate, drop_path_rate, in_chans.

    Raises:
        ValueError: There is no supernet for this space.
    """
    for kind, supernet in _SUPERNETS.items():
        if isinstance(space, kind):
            return supernet(space, num_classes, **options)
    known = ", ".join(kind.name for kind in _SUPERNETS)
    raise ValueError(f"no supernet for {space!r}; build_supernet takes a space from get_space, of {known}")
