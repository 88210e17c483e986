"""Fashion-MNIST and CIFAR by name: small images that are read once, from files that are already there."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torchvision
from numpy.typing import NDArray
from PIL import Image

from ..errors import ConfigError
from .transforms import Normalisation

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_PREFIX = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class SmallSet:
    """A data set of small images.

    Attributes:
        normalisation: Of its training images.
        side: In pixels.
    """

    normalisation: Normalisation
    side: int


SMALL_SETS = {
    "fashion_mnist": SmallSet(Normalisation((0.2860, 0.2860, 0.2860), (0.3530, 0.3530, 0.3530)), 28),
    "cifar10": SmallSet(Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)), 32),
    "cifar100": SmallSet(Normalisation((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)), 32),
}


class ArraySource:
    """Images in memory, uint8 (n, S, S) grey or (n, S, S, 3), with their labels."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: tuple[str, ...]) -> None:
        self._images = images
        self.labels = labels
        self.class_names = class_names
        self.names = [str(position) for position in range(len(labels))]

    def image(self, position: int) -> Image.Image:
        return Image.fromarray(self._images[position]).convert("RGB")

    def stamp(self, position: int) -> str:
        return str(self.labels[position])


def open_small(name: str, root: Path) -> tuple[ArraySource, ArraySource]:
    """(training images, test images) of one of `SMALL_SETS`; nothing is downloaded.

    Args:
        name: Of the data set.
        root: Fashion-MNIST: the folder with the four IDX files, gzipped or not, as Debian's package
            ``dataset-fashion-mnist`` lays them, or torchvision's root above ``FashionMNIST/raw``. CIFAR: torchvision's
            root, or the folder ``cifar-10-batches-py`` or ``cifar-100-python`` itself.

    Raises:
        ConfigError: The files are not there or not whole.
    """
    return (_fashion(root, "train"), _fashion(root, "test")) if name == "fashion_mnist" else _cifar(name, root)


def _fashion(root: Path, part: str) -> ArraySource:
    folders = (root, root / "FashionMNIST" / "raw")
    images = _idx(folders, f"{_PREFIX[part]}-images-idx3-ubyte", dims=3)
    labels = _idx(folders, f"{_PREFIX[part]}-labels-idx1-ubyte", dims=1)
    if len(images) != len(labels) or labels.max(initial=0) >= len(_FASHION):
        raise ConfigError(
            f"data.root: {root} has {len(images)} images and {len(labels)} labels of its {part} part, of ten classes; "
            f"delete them and {_fetch(root)}"
        )
    return ArraySource(images, labels.astype(np.int64), _FASHION)


def _idx(folders: tuple[Path, ...], name: str, dims: int) -> NDArray[np.uint8]:
    """The array of an IDX file, gzipped or not."""
    files = [folder / (name + ending) for folder in folders for ending in ("", ".gz")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ConfigError(
            f"data.root: there is no {name} or {name}.gz in {' or '.join(map(str, folders))}; Debian's package "
            f"dataset-fashion-mnist has the files in /usr/share/datasets/fashion-mnist; or {_fetch(folders[0])}"
        )
    try:
        raw = file.read_bytes() if file.suffix != ".gz" else gzip.decompress(file.read_bytes())
        sides = np.frombuffer(raw, ">u4", count=dims, offset=4)
        if raw[:4] != bytes([0, 0, 8, dims]):  # unsigned bytes of so many dimensions
            raise ValueError("its first bytes are not those of such a file")
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(tuple(int(side) for side in sides))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ConfigError(f"data.root: {file} cannot be read: {error}; delete it and {_fetch(folders[0])}") from error


def _fetch(root: Path) -> str:
    """How to get Fashion-MNIST's files, of which torchvision fetches those that are not there."""
    return (
        f'fetch it with: python -c "from torchvision.datasets import FashionMNIST as D; D({str(root)!r}, '
        'download=True)"'
    )


def _cifar(name: str, root: Path) -> tuple[ArraySource, ArraySource]:
    kind = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[name]
    above = root.parent if root.name == kind.base_folder else root
    try:
        train, test = (kind(str(above), train=part) for part in (True, False))
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise ConfigError(
            f'data.root: {root} holds no whole {kind.base_folder} ({error}); fetch it with: python -c "from '
            f'torchvision.datasets import {kind.__name__} as D; D({str(above)!r}, download=True)"'
        ) from error
    names = tuple(train.classes)
    first, second = (ArraySource(one.data, np.asarray(one.targets, dtype=np.int64), names) for one in (train, test))
    return first, second
