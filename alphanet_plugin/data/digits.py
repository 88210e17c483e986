"""scikit-learn's handwritten digits: 1,797 grey 8x8 images in ten classes, available offline."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..errors import ConfigError
from .image_subset import Indices, held_out_count, stratified_holdout
from .split_record import SplitRecord, divide
from .splits import Splits
from .transforms import Normalisation

DIGITS_MEAN = (0.305, 0.305, 0.305)
DIGITS_STD = (0.376, 0.376, 0.376)
DIGITS = Normalisation(DIGITS_MEAN, DIGITS_STD)
TEST_COUNT = 360  # a fifth
SEARCH_FRACTION = 0.25  # of what the test leaves: 60/20/20


class DigitSource:
    """Digits at `positions` of the collection, as they are."""

    def __init__(self, positions: Indices) -> None:
        self.positions = positions
        self.labels = digit_labels()[positions]
        self.names = [str(position) for position in positions]
        self.class_names = tuple(str(digit) for digit in range(10))

    def image(self, position: int) -> Image.Image:
        return digit_image(int(self.positions[position]))

    def stamp(self, position: int) -> str:
        return str(self.labels[position])


class DigitImages(Dataset[tuple[Tensor, int]]):
    """Digits at `positions` of the collection, enlarged to (S, S) once in a process and kept in memory as bytes.

    The enlarging is Pillow's bicubic, the one that timm's evaluation transform does, so that training and
    search see what a published model is given.
    """

    def __init__(
        self,
        positions: Indices,
        image_size: int,
        augment: Callable[[Tensor], Tensor] | None = None,
        normalisation: Normalisation = DIGITS,
    ) -> None:
        self.positions = positions
        self.image_size = image_size
        self.augment = augment
        self._labels: list[int] = digit_labels()[positions].tolist()
        self._mean = torch.tensor(normalisation.mean).view(-1, 1, 1)
        self._std = torch.tensor(normalisation.std).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = torch.from_numpy(_enlarged_pixels(int(self.positions[index]), self.image_size))
        grey = pixels.to(torch.float32).div(255)  # (1, S, S)
        if self.augment is not None:
            grey = self.augment(grey)
        return (grey - self._mean).div_(self._std), self._labels[index]


def build_digits(
    image_size: int,
    *,
    search_fraction: float | None = None,
    search_count: int | None = None,
    seed: int = 0,
    augment: bool = True,
    calibration_augment: bool = True,
    normalisation: Normalisation = DIGITS,
    record: SplitRecord | None = None,
    accept: bool = False,
) -> Splits:
    """Train, search and test parts of the digits: 60/20/20 unless told otherwise.

    The test part is the same for every seed; the seed chooses what the search holds out of the rest.
    """
    rest, test = _test_holdout()
    source = DigitSource(rest)
    count = held_out_count(len(rest), fraction=search_fraction, count=search_count, default=SEARCH_FRACTION)
    kept, held, record = divide(source, "digits", count=count, seed=seed, record=record, accept=accept)
    train = DigitImages(rest[kept], image_size, SmallAffine() if augment else None, normalisation)
    plain = augment and not calibration_augment
    return Splits(
        name="digits",
        train=train,
        search=DigitImages(rest[held], image_size, None, normalisation),
        test=DigitImages(test, image_size, None, normalisation),
        calibration=DigitImages(rest[kept], image_size, None, normalisation) if plain else train,
        class_names=source.class_names,
        image_size=image_size,
        mean=normalisation.mean,
        std=normalisation.std,
        crop_pct=1.0,
        source=source,
        record=record,
    )


def test_digits() -> DigitSource:
    """The images of the test part, as they are."""
    return DigitSource(_test_holdout()[1])


def test_digit(index: int, size: int | None = None) -> tuple[Image.Image, int]:  # noqa: PT028
    """The `index`-th image of the test part and its label.

    The image is RGB and 8x8, to be given to timm's own transform of a model; `size` enlarges it (the transform of
    a model of that size then changes it no further).
    """
    test = _test_holdout()[1]
    if not 0 <= index < len(test):
        raise IndexError(f"test_digit's index must lie in 0..{len(test) - 1}, not {index}")
    position = int(test[index])
    image = digit_image(position)
    if size is not None:
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return image, int(digit_labels()[position])


test_digit.__test__ = test_digits.__test__ = False  # pytest would take the names for tests'


def digit_image(position: int) -> Image.Image:
    """The digit at `position` (0..1796) of the collection as an RGB image of 8x8 pixels."""
    pixels = np.round(_collection()[0][position] * (255.0 / 16.0)).astype(np.uint8)
    return Image.fromarray(pixels).convert("RGB")


def digit_labels() -> Indices:
    """Labels of the whole collection, (1797,)."""
    return _collection()[1]


@lru_cache(maxsize=2048)  # the whole collection in one size
def _enlarged_pixels(position: int, size: int) -> np.ndarray:
    """uint8 (1, S, S): the three channels of a grey image are one."""
    enlarged = digit_image(position).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(enlarged.getchannel(0))[None]


@lru_cache(maxsize=1)
def _collection() -> tuple[np.ndarray, Indices]:
    """Images (1797, 8, 8), whole numbers from 0 to 16, and labels (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ConfigError("the digits come with scikit-learn; install it: pip install scikit-learn") from error

    images, labels = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8), labels.astype(np.int64)


@lru_cache(maxsize=1)
def _test_holdout() -> tuple[Indices, Indices]:
    """(training and search, test) positions; a constant of this package."""
    return stratified_holdout(digit_labels(), TEST_COUNT, seed=0)


@dataclass(frozen=True, kw_only=True)
class SmallAffine:
    """Rotate, scale and shift one image by a little; what comes in from outside is background (0).

    It draws from torch's global generator, as torchvision's transforms do, so that one way of seeding
    (`SeededDataset`) holds for every data set.
    """

    degrees: float = 12.0
    """Largest rotation to either side."""
    scale: float = 0.12
    """The size is multiplied by a factor in [1 - scale, 1 + scale]."""
    shift: float = 0.08
    """Largest shift along each axis, as a part of the image's side."""

    def __call__(self, image: Tensor) -> Tensor:
        """(1, S, S) in [0, 1] -> the same shape and range."""
        turn, grow, right, down = (2.0 * torch.rand(4) - 1.0).tolist()
        angle = math.radians(self.degrees * turn)
        zoom = 1.0 / (1.0 + self.scale * grow)
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        # The grid spans [-1, 1], two units for the whole side.
        theta = torch.tensor([[[cos, -sin, 2 * self.shift * right], [sin, cos, 2 * self.shift * down]]])
        grid = F.affine_grid(theta, [1, *image.shape], align_corners=False)
        return F.grid_sample(image[None], grid, align_corners=False)[0]
