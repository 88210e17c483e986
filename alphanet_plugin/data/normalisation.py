"""How a network wants its images, beside their size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..errors import ConfigError

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")  # timm's, without "random"


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of images in [0, 1], and how they are resized.

    Attributes:
        mean: Is subtracted.
        std: Divides what is left.
        interpolation: timm's name, such as ``bicubic``.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"


def normalised(
    usual: Normalisation,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
) -> Normalisation:
    """The usual one with what is given in its place.

    Raises:
        ConfigError: There are not three numbers, or a standard deviation is not above 0.
    """
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != 3:
            raise ConfigError(f"{name} takes three numbers, one a channel, not {list(values)}")
    if std is not None and min(std) <= 0:
        raise ConfigError(f"std must be above 0, not {list(std)}")
    if interpolation is not None and interpolation not in _INTERPOLATIONS:
        raise ConfigError(f"interpolation must be one of {', '.join(_INTERPOLATIONS)}, not {interpolation!r}")
    asked = {"mean": mean and _three(mean), "std": std and _three(std), "interpolation": interpolation}
    return replace(usual, **{name: value for name, value in asked.items() if value is not None})


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)


IMAGENET = Normalisation(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
