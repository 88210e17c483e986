"""Training images for BatchNorm statistics, from a folder or ready-made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import ConfigError
from ..nearest import path_hint
from .folder import FolderSource
from .image_subset import ImageSubset
from .repeatable import repeatable_batches
from .transforms import train_transform


@dataclass(frozen=True)
class CalibrationImages:
    """What BatchNorm statistics are estimated on.

    Attributes:
        batches: Images (B, 3, S, S), or (images, labels); the same ones in every pass.
        description: How many and whence, in words for a model card.
    """

    batches: Iterable[Any]
    description: str


def open_calibration(
    path: str | Path,
    *,
    num_batches: int = 64,
    batch_size: int = 256,
    image_size: int = 224,
    cache_gb: float = 8.0,
    seed: int = 0,
    num_workers: int = 0,
) -> CalibrationImages:
    """Training images, augmented as in training; labels do not matter.

    Args:
        path: A folder of images, in ``train/`` below it or in any folders, or a ``.safetensors`` file of ready batches
            (B, 3, S, S), which are taken as they are in the order of their names.
        num_batches: How many batches of the folder; fewer if it has not as many images.
        batch_size: Images of a batch.
        image_size: Side of the images in pixels.
        cache_gb: Up to so many GB are kept in memory between networks.
        seed: Chooses the images, and augments them.
        num_workers: Processes that read.

    Raises:
        ConfigError: There are no images, or the file holds something else.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return _folder(path, num_batches, batch_size, image_size, cache_gb, seed, num_workers)
    if path.suffix == ".safetensors" and path.is_file():
        return _ready(path)
    raise ConfigError(
        f"calibration images: {str(path)!r} is neither a folder of images nor a .safetensors file of image batches"
        + path_hint(path)
    )


def _folder(
    path: Path, num_batches: int, batch_size: int, image_size: int, cache_gb: float, seed: int, num_workers: int
) -> CalibrationImages:
    if num_batches < 1 or batch_size < 2:
        raise ConfigError(f"calibration takes 1 batch of 2 images or more, not {num_batches} of {batch_size}")
    root = path / "train" if (path / "train").is_dir() else path
    source = FolderSource(root)
    source.say_skipped()
    images = ImageSubset(source, np.arange(len(source.labels)), train_transform(image_size, augment=True))
    if len(images) < 2:
        raise ConfigError(f"calibration images: {str(root)!r} has {len(images)}; at least 2 are needed")
    size = min(batch_size, len(images))
    count = min(num_batches, len(images) // size)
    batches = repeatable_batches(
        images, batch_size=size, limit=count, cache_gb=cache_gb, seed=seed, num_workers=num_workers
    )
    return CalibrationImages(batches, f"{count} batches of {size} training images, augmented as in training")


def _ready(path: Path) -> CalibrationImages:
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"calibration images: {path} is no safetensors file ({error})") from error
    batches: list[Tensor] = []
    for name in sorted(tensors):
        batch = tensors[name]
        if batch.ndim != 4 or batch.shape[1] != 3 or not batch.is_floating_point():
            raise ConfigError(
                f"calibration images: {name} in {path} is {tuple(batch.shape)} {batch.dtype}, not floating-point "
                "images (B, 3, S, S)"
            )
        batches.append(batch)
    if not batches:
        raise ConfigError(f"calibration images: {path} is empty")
    return CalibrationImages(batches, f"{len(batches)} ready batches, {sum(map(len, batches))} images")
