"""How a finished network wants its images: what its timm configuration says, and the transform that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.data import resolve_model_data_config
from timm.data.transforms_factory import create_transform

from ..errors import ConfigError
from .transforms import CROP_PCT, IMAGENET, Transform, for_channels, with_channels


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """An evaluation transform in timm's words; ImageNet's unless told otherwise.

    Attributes:
        input_size: Channels, height and width of what the network is given.
        interpolation: How images are resized.
        mean: Subtracted of each channel of images in [0, 1].
        std: Divides each channel then.
        crop_pct: Share of the resized image's side that the crop keeps.
        crop_mode: Which crop: ``center``, ``squash`` or ``border``.
    """

    input_size: tuple[int, ...]
    interpolation: str = IMAGENET.interpolation
    mean: tuple[float, ...] = IMAGENET.mean
    std: tuple[float, ...] = IMAGENET.std
    crop_pct: float = CROP_PCT
    crop_mode: str = "center"

    def transform(self) -> Transform:
        """RGB image -> float32 (C, H, W).

        Raises:
            ConfigError: The network takes neither RGB nor grey images.
        """
        if self.input_size[0] not in (1, 3):
            raise ConfigError(f"the model takes images of {self.input_size[0]} channels; RGB has 3, and grey 1")
        options: Any = vars(self)
        return with_channels(create_transform(**options), self.input_size[0])

    def __str__(self) -> str:
        return self._shown(f", crop {self.crop_pct:g} ({self.crop_mode})")

    @property
    def uncropped(self) -> str:
        """As text, without what it says of crops."""
        return self._shown("")

    def _shown(self, crop: str) -> str:
        height, width = self.input_size[1:]
        side = f"{height}" if height == width else f"{height}x{width}"
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"{side} pixels, {self.interpolation}{crop}, mean ({mean}), std ({std})"


def preparation_of(model: Any, *, testing: bool = True) -> Preparation:
    """As `timm.data.resolve_model_data_config` reads a model's configuration, for the channels that the model takes.

    Args:
        model: A timm model.
        testing: Whether the model is measured or served, at the size and crop that its configuration names for testing
            where it does; False to train it.
    """
    values: Any = resolve_model_data_config(model, use_test_size=testing)
    lists: Any = {name: tuple(value) for name, value in values.items() if isinstance(value, (list, tuple))}
    in_chans = getattr(model, "in_chans", values["input_size"][0])
    lists["input_size"] = (in_chans, *values["input_size"][1:])
    lists |= {name: for_channels(values[name], in_chans) for name in ("mean", "std")}
    return Preparation(**{**values, **lists})
