"""Train, search and test parts of a folder or of a data set known to timm."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from .folder import open_folder
from .image_subset import ImageSource, ImageSubset
from .normalisation import IMAGENET, Normalisation
from .splits import Splits
from .stratified import held_out_count, stratified_holdout
from .timm_source import TimmSource
from .torchvision_sets import TORCHVISION_SETS, open_torchvision
from .transforms import CROP_PCT, eval_transform, train_transform

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
    test_split: str = "validation",
    normalisation: Normalisation = IMAGENET,
) -> Splits:
    """Split the training images into train and search; the test part is the data set's own `test_split`."""
    train, test = _open(name, root, test_split)
    count = held_out_count(len(train.labels), fraction=search_fraction, count=search_count, default=SEARCH_FRACTION)
    kept, held = stratified_holdout(train.labels, count, seed)
    look = eval_transform(image_size, crop_pct, normalisation)
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
        **asdict(normalisation),
    )


def _open(name: str, root: str | Path | None, test_split: str) -> tuple[ImageSource, ImageSource]:
    if name == "folder":
        return open_folder(root)
    if root is None:
        raise ConfigError(f"data set {name!r} needs a root: the folder that holds its files")
    where = str(Path(root).expanduser())
    if name.lower() in TORCHVISION_SETS:
        return open_torchvision(name.lower(), Path(where))
    return TimmSource(name, where, "train"), TimmSource(name, where, test_split)
