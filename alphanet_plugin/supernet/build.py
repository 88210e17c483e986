"""The supernet of a space."""

from __future__ import annotations

from inspect import signature
from typing import Any

from torch import nn

from ..models import MobileNetwork, UsMobileNet, family_of
from ..nearest import did_you_mean
from ..spaces import SearchSpace, get_space
from .mobile import MobileSupernet
from .supernet import Supernet
from .us_mobilenet import UsMobileNetSupernet

_SUPERNETS: dict[type[nn.Module], Any] = {MobileNetwork: MobileSupernet, UsMobileNet: UsMobileNetSupernet}


def build_supernet(
    space: SearchSpace, num_classes: int = 1000, in_chans: int | None = None, **options: Any
) -> Supernet:
    """The supernet of a space.

    Args:
        space: From `alphanet_plugin.get_space`.
        num_classes: Outputs of the classifier.
        in_chans: Channels of the images, where they are others than the space's.
        options: As every supernet takes them: resize_input, drop_rate, drop_path_rate; and those of mobile blocks
            kernel_transform, init and zero_init_last, which `MobileSupernet` describes.

    Raises:
        ValueError: There is no supernet for this space, or it has no such option, or an option no such value.
    """
    supernet = _SUPERNETS[family_of(space).network]
    if in_chans not in (None, space.in_chans):
        space = get_space(**{**space.to_config(), "in_chans": in_chans})
    known = [name for name in signature(supernet).parameters if name not in ("space", "num_classes")]
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise ValueError(f"{option} is no option of the supernet of {space.name}; {hint}")
    return supernet(space, num_classes, **options)
