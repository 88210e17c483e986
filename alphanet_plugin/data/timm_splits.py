"""Train, search and test parts of a folder or of a data set known to timm."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from .folder import FIRST_SUFFIXES, open_folder, open_test_folder
from .image_subset import ImageSource, ImageSubset
from .normalisation import IMAGENET, Normalisation
from .small_sets import SMALL_SETS, open_small
from .split_record import SplitRecord, divide
from .splits import Splits
from .stratified import held_out_count
from .timm_source import TimmSource
from .torchvision_sets import TORCHVISION_SETS, open_torchvision
from .transforms import CROP_PCT, eval_transform, small_train_transform, train_transform

SEARCH_FRACTION = 0.1


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
