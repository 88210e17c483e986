"""Data sets that torchvision reads and timm's factory does not know, by the names that timm would give them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torchvision
from PIL import Image

from ..errors import ConfigError
from .open_image import open_image


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet:
    """One data set, with the parts that transfer results are published for.

    Attributes:
        class_name: In `torchvision.datasets`.
        folder: Below the root, where torchvision looks for it.
        train: torchvision's parts that make up the training images.
        test: torchvision's part that results are reported on.
        files: torchvision's attribute with the images' paths.
        layout: What to put into the folder where torchvision cannot fetch it; empty where it can.
    """

    class_name: str
    folder: str
    train: tuple[str, ...]
    test: str
    files: str = "_image_files"
    layout: str = ""

    def hint(self, root: Path) -> str:
        """What to do where the data set is not there."""
        if self.layout:
            return f"torchvision cannot fetch it any more; lay it out as {root / self.folder}/{{{self.layout}}}"
        parts = ", ".join(repr(part) for part in (*self.train, self.test))
        return (
            f'fetch it with: python -c "from torchvision.datasets import {self.class_name} as D; '
            f'[D({str(root)!r}, part, download=True) for part in ({parts})]"'
        )


TORCHVISION_SETS = {
    # 2,040 training images (its train and val parts) and 6,149 test images
    "torch/flowers102": TorchvisionSet(
        class_name="Flowers102", folder="flowers-102", train=("train", "val"), test="test"
    ),
    "torch/oxford_iiit_pet": TorchvisionSet(
        class_name="OxfordIIITPet", folder="oxford-iiit-pet", train=("trainval",), test="test", files="_images"
    ),
    "torch/food101": TorchvisionSet(class_name="Food101", folder="food-101", train=("train",), test="test"),
    "torch/stanford_cars": TorchvisionSet(
        class_name="StanfordCars",
        folder="stanford_cars",
        train=("train",),
        test="test",
        files="_samples",
        layout=(
            "devkit/cars_meta.mat, devkit/cars_train_annos.mat, cars_train/*.jpg, cars_test/*.jpg, "
            "cars_test_annos_withlabels.mat"
        ),
    ),
    # 6,667 training images (trainval) and 3,333 test images of 100 variants
    "torch/fgvc_aircraft": TorchvisionSet(
        class_name="FGVCAircraft", folder="fgvc-aircraft-2013b", train=("trainval",), test="test"
    ),
}


def open_torchvision(name: str, root: Path) -> tuple[TorchvisionSource, TorchvisionSource]:
    """(training images, test images) of a data set of the table.

    Raises:
        ConfigError: It is not there, or not whole; the message says how to get it.
    """
    wanted = TORCHVISION_SETS[name]
    return TorchvisionSource(name, root, wanted.train), TorchvisionSource(name, root, (wanted.test,))


class TorchvisionSource:
    """Images of one or more of a data set's parts, one after the other, by position.

    Their paths and labels are read off torchvision's objects, so that no image is decoded to learn its label and a
    damaged one is an error that names the file.
    """

    def __init__(self, name: str, root: Path, parts: tuple[str, ...]) -> None:
        wanted = TORCHVISION_SETS[name]
        kind: Any = getattr(torchvision.datasets, wanted.class_name)
        try:
            opened = [kind(str(root), split=part) for part in parts]
        # RuntimeError: not there; OSError, KeyError and ValueError: lists of images are missing or not as they were
        except (RuntimeError, OSError, KeyError, ValueError, ImportError) as error:
            raise ConfigError(
                f"data set {name!r} cannot be read in {str(root)!r} ({error or type(error).__name__}); "
                f"{wanted.hint(root)}"
            ) from error
        self.name = name
        self._files: list[str] = [file for one in opened for file in _files(one, wanted)]
        self.labels = np.asarray([label for one in opened for label in _labels(one, wanted)], dtype=np.int64)
        self.names = [Path(os.path.relpath(file, root)).as_posix() for file in self._files]
        known = getattr(opened[0], "classes", None) or range(int(self.labels.max(initial=-1)) + 1)
        self.class_names = tuple(str(one) for one in known)
        if not len(self.labels) or self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            raise ConfigError(
                f"data set {name!r} in {str(root)!r} has no images, or labels outside its {len(self.class_names)} "
                f"classes; {wanted.hint(root)}"
            )

    def image(self, position: int) -> Image.Image:
        return open_image(self._files[position])

    def stamp(self, position: int) -> str:
        return str(self.labels[position])


def _files(opened: Any, wanted: TorchvisionSet) -> list[str]:
    found = getattr(opened, wanted.files)
    return [str(file) for file in (map(itemgetter(0), found) if wanted.files == "_samples" else found)]


def _labels(opened: Any, wanted: TorchvisionSet) -> list[int]:
    if wanted.files == "_samples":  # (path, label)
        return [int(label) for _, label in getattr(opened, wanted.files)]
    return list(opened._labels)
