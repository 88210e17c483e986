"""Train, search and test parts of a folder or of a data set known to timm."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from timm.data.dataset_factory import create_dataset

from ..errors import ConfigError
from .folder import FIRST_SUFFIXES, open_folder, open_test_folder
from .image_subset import ImageSource, ImageSubset, held_out_count
from .open_image import as_rgb, open_image, unreadable
from .small_sets import SMALL_SETS, open_small
from .split_record import SplitRecord, divide
from .splits import Splits
from .torchvision_sets import TORCHVISION_SETS, open_torchvision
from .transforms import CROP_PCT, IMAGENET, Normalisation, eval_transform, small_train_transform, train_transform

SEARCH_FRACTION = 0.1
_STREAMS = ("hfids", "tfds", "wds")  # timm's prefixes of data sets without positions


def build_timm(
    name: str,
    root: str | Path | None,
    image_size: int,
    *,
    search_fraction: float | None = None,
    search_count: int | None = None,
    seed: int = 0,
    augment: bool | str = True,
    calibration_augment: bool = True,
    crop_pct: float = CROP_PCT,
    crop_mode: str = "center",
    test_split: str = "validation",
    normalisation: Normalisation = IMAGENET,
    record: SplitRecord | None = None,
    accept: bool = False,
    first_rule: bool = False,
    classes: Sequence[str] | None = None,
) -> Splits:
    """Split the training images into train and search; the test part is the data set's own `test_split`.

    A folder's images are chosen by their names, those of published data sets by their places. With `first_rule` a
    folder's are chosen as for runs that kept no record: by their places among its JPEGs and PNGs.
    """
    train, test = _open(name, root, test_split, first_rule, classes)
    kept, held, record = divide(
        train,
        name,
        count=0 if record else held_out_count(
            len(train.labels), fraction=search_fraction, count=search_count, default=SEARCH_FRACTION
        ),
        seed=seed,
        by_name=name == "folder" and not first_rule,
        record=record,
        accept=accept,
    )  # fmt: skip
    look = eval_transform(image_size, crop_pct, normalisation, crop_mode)
    if augment is True and name in SMALL_SETS:
        vary = small_train_transform(image_size, SMALL_SETS[name].side, normalisation)
    else:
        vary = train_transform(image_size, augment, normalisation) if augment else look
    return Splits(
        name=name,
        train=ImageSubset(train, kept, vary),
        search=ImageSubset(train, held, look),
        test=ImageSubset(test, np.arange(len(test.labels)), look),
        calibration=ImageSubset(train, kept, vary if calibration_augment else look),
        class_names=train.class_names,
        image_size=image_size,
        crop_pct=crop_pct,
        crop_mode=crop_mode,
        source=train,
        record=record,
        **asdict(normalisation),
    )


def open_test(name: str, root: str | Path | None, test_split: str = "validation") -> ImageSource:
    """The test images alone of a folder or of a data set known to timm."""
    if name == "folder":
        return open_test_folder(root)
    where = _root(name, root)
    if name in SMALL_SETS:
        return open_small(name, where)[1]
    if name.lower() in TORCHVISION_SETS:
        return open_torchvision(name.lower(), where)[1]
    return TimmSource(name, str(where), test_split)


def _open(
    name: str, root: str | Path | None, test_split: str, first_rule: bool, classes: Sequence[str] | None
) -> tuple[ImageSource, ImageSource]:
    if name == "folder":
        return open_folder(root, FIRST_SUFFIXES if first_rule else None, classes)
    where = _root(name, root)
    if name in SMALL_SETS:
        return open_small(name, where)
    if name.lower() in TORCHVISION_SETS:
        return open_torchvision(name.lower(), where)
    return TimmSource(name, str(where), "train"), TimmSource(name, str(where), test_split)


def _root(name: str, root: str | Path | None) -> Path:
    if root is None:
        raise ConfigError(f"data set {name!r} needs a root: the folder that holds its files")
    return Path(root).expanduser()


def _what_to_do(name: str, root: str, error: Exception) -> str:
    if isinstance(error, ImportError) and name.startswith("hfds/"):
        return "pip install datasets"
    if not (isinstance(error, RuntimeError) and name.startswith("torch/")):
        return "check the name and the root, and fetch the data there first"
    return (
        'fetch it with: python -c "from timm.data import create_dataset as d; '
        f"[d({name!r}, {root!r}, split=part, download=True) for part in ('train', 'validation')]\""
    )


class TimmSource:
    """One split of a timm data set (`torch/cifar10`, `hfds/...`); folders of images are `FolderSource`'s.

    A timm `ImageDataset` answers a damaged file with the next image, which may belong to another part of the split,
    so its reader is asked directly and damage is an error that names the file.
    """

    def __init__(self, name: str, root: str, split: str) -> None:
        self.name = name
        if name.partition("/")[0].lower() in _STREAMS:
            raise ConfigError(
                f"data set {name!r} can only be streamed; its images must be found by position: "
                "use a folder, torch/... or hfds/..."
            )
        try:
            self._dataset: Any = create_dataset(name, root, split=split)
        except (AssertionError, FileNotFoundError, ImportError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"timm cannot open data set {name!r}, split {split!r}, in {root!r}: {error}; "
                + _what_to_do(name, root, error)
            ) from error
        self._reader: Any = getattr(self._dataset, "reader", None)
        self.labels = np.asarray(self._read_labels(), dtype=np.int64)
        self.class_names = self._read_class_names()

        self.names = [str(position) for position in range(len(self.labels))]

    def image(self, position: int) -> Image.Image:
        name = self._filename(position)
        if self._reader is not None:
            with self._reader[position][0] as file:
                return open_image(file, name)
        try:
            return as_rgb(self._dataset[position][0])
        except Exception as error:
            raise unreadable(name, error) from error

    def stamp(self, position: int) -> str:
        return str(self.labels[position])

    def _read_labels(self) -> list[int]:
        for owner, attribute in ((self._reader, "samples"), (self._dataset, "targets")):
            if (found := getattr(owner, attribute, None)) is not None:
                return [item[1] for item in found] if attribute == "samples" else list(found)
        if hasattr(self._reader, "iter_targets"):
            return list(self._reader.iter_targets())
        raise ConfigError(
            f"data set {self.name!r} does not tell its labels without reading every image; "
            "use it as a folder (name 'folder')"
        )

    def _read_class_names(self) -> tuple[str, ...]:
        if class_to_idx := getattr(self._reader, "class_to_idx", None):
            return tuple(str(name) for name in sorted(class_to_idx, key=class_to_idx.__getitem__))
        if classes := getattr(self._dataset, "classes", None):
            return tuple(str(name) for name in classes)
        return tuple(str(label) for label in range(int(self.labels.max()) + 1))

    def _filename(self, position: int) -> str:
        return str(self._reader.filename(position, absolute=True) if self._reader else position)
