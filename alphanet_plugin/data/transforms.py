"""How a network wants its images, beside their size, and timm's transforms, as the papers train and evaluate."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image
from timm.data import auto_augment, resolve_model_data_config
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.data.transforms_factory import create_transform
from torch import Tensor
from torchvision.transforms import Compose, Grayscale, RandomCrop, RandomHorizontalFlip

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


Transform = Callable[[Image.Image], Tensor]
"""RGB image -> float32 (C, S, S), normalised; where C is 1, of what is grey in it."""

CROP_PCT = 0.875  # resize 256, crop 224
CROP_MODES = ("center", "squash", "border")  # timm's
CROP_ALONE = "crop"
AUTO_AUGMENT = "v0"  # AutoAugment's ImageNet policy, the AlphaNet paper's


def train_transform(image_size: int, augment: bool | str, normalisation: Normalisation = IMAGENET) -> Transform:
    """Random resized crop, flip and AutoAugment, or another of timm's policies ("rand-m9-mstd0.5") instead of it.

    "crop" is random resized crop and flip alone.
    """
    if augment == CROP_ALONE:
        return _timm_transform(image_size, normalisation, is_training=True, color_jitter=None)
    policy = AUTO_AUGMENT if isinstance(augment, bool) else augment
    try:
        return _timm_transform(image_size, normalisation, is_training=True, auto_augment=policy)
    except (AssertionError, ValueError) as error:
        raise ConfigError(
            f"augment={augment!r} is not a policy of timm's auto_augment ({error}); "
            "use true, false, 'crop', or one such as 'v0' or 'rand-m9-mstd0.5'"
        ) from error


def small_train_transform(image_size: int, side: int, normalisation: Normalisation) -> Transform:
    """For images of `side` pixels: a random crop of that side after reflected padding by an eighth of it, and flip."""
    vary = [RandomCrop(side, padding=side // 8, padding_mode="reflect"), RandomHorizontalFlip()]
    return Compose([*vary, eval_transform(image_size, 1.0, normalisation)])


def eval_transform(
    image_size: int, crop_pct: float, normalisation: Normalisation = IMAGENET, crop_mode: str = "center"
) -> Transform:
    """Resize the shorter edge to image_size / crop_pct, crop the centre; or as another of timm's crop modes does."""
    return _timm_transform(image_size, normalisation, crop_pct=crop_pct, crop_mode=crop_mode)


def _timm_transform(image_size: int, normalisation: Normalisation, **options: Any) -> Transform:
    in_chans = len(normalisation.mean)
    transform: Any = create_transform(
        input_size=(in_chans, image_size, image_size),
        **asdict(normalisation),
        **options,
    )
    allow_zero_bits(transform.transforms)
    return with_channels(transform, in_chans)


def with_channels(transform: Any, in_chans: int) -> Transform:
    """timm's transform of RGB images; with one channel it is given them as Pillow makes them grey (mode L).

    That is how timm's own scripts open images for a network of one channel.
    """
    return Compose([Grayscale(), *transform.transforms]) if in_chans == 1 else transform


def allow_zero_bits(transforms: Iterable[Any]) -> None:
    """Let every posterize step of timm's policies among `transforms` yield a black image for 0 bits.

    The policy v0 does that (timm's source says so), and with it the AlphaNet paper's training; RandAugment reaches 0
    bits too. Pillow did it until version 13, which raises ValueError instead.
    """
    for transform in transforms:
        for op in _ops(transform):
            if op.aug_fn is auto_augment.posterize:
                op.aug_fn = _posterize


def _ops(transform: Any) -> Iterator[Any]:
    if isinstance(transform, auto_augment.AutoAugment):
        for pair in transform.policy:
            yield from pair
    elif isinstance(transform, (auto_augment.RandAugment, auto_augment.AugMixAugment)):
        yield from transform.ops


def _posterize(image: Image.Image, bits: int, **options: Any) -> Image.Image:
    if bits < 1:
        return Image.new(image.mode, image.size)
    return auto_augment.posterize(image, bits, **options)


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
