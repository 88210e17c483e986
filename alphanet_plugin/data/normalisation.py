"""How a network wants its images, beside their size."""

from collections.abc import Sequence
from dataclasses import dataclass

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..errors import ConfigError

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")  # timm's, without "random"


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of images in [0, 1], and how they are resized.

    Attributes:
        mean: Is subtracted; three numbers for RGB, one for grey images.
        std: Divides what is left.
        interpolation: timm's name, such as ``bicubic``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"


def normalised(
    usual: Normalisation,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
    in_chans: int = 3,
) -> Normalisation:
    """The usual one, at so many channels, with what is given in its place.

    Raises:
        ConfigError: There is not a number for each channel, or a standard deviation is not above 0.
    """
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != in_chans:
            count = {1: "one number, in_chans being 1", 3: "three numbers, one a channel"}[in_chans]
            raise ConfigError(f"{name} takes {count}, not {list(values)}")
    if std is not None and min(std) <= 0:
        raise ConfigError(f"std must be above 0, not {list(std)}")
    if interpolation is not None and interpolation not in _INTERPOLATIONS:
        raise ConfigError(f"interpolation must be one of {', '.join(_INTERPOLATIONS)}, not {interpolation!r}")
    return Normalisation(
        mean=for_channels(usual.mean if mean is None else mean, in_chans),
        std=for_channels(usual.std if std is None else std, in_chans),
        interpolation=interpolation or usual.interpolation,
    )


def for_channels(values: Sequence[float], in_chans: int) -> tuple[float, ...]:
    """A number for each channel; of images with fewer or more channels than there are numbers, their mean for each."""
    numbers = tuple(map(float, values))
    return numbers if len(numbers) == in_chans else (sum(numbers) / len(numbers),) * in_chans


IMAGENET = Normalisation(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
