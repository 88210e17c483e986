"""Images to measure a finished model on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .build import build_splits
from .folder import open_class_folders
from .image_subset import ImageSubset
from .splits import LabelledImages
from .transforms import CROP_PCT, eval_transform


def open_evaluation(
    data: str, root: str | None = None, *, image_size: int, crop_pct: float = CROP_PCT
) -> tuple[LabelledImages, tuple[str, ...]]:
    """Labelled images for a model that is only measured, and the names of their classes.

    Args:
        data: A folder with class folders in ``val/`` or ``validation/``, or with class folders of its own; or the name
            of a data set as `build_splits` takes it, whose test part is meant.
        root: Where a data set of that name lies.
        image_size: Side of the images in pixels.
        crop_pct: Evaluation crop over resized side; digits are not cropped.

    Raises:
        ConfigError: There are no such images.
    """
    folder = Path(data).expanduser()
    if root is not None or not folder.is_dir():
        splits = build_splits(data, root, image_size=image_size, crop_pct=None if data == "digits" else crop_pct)
        return splits.test, splits.class_names
    inside = [folder / name for name in ("val", "validation") if (folder / name).is_dir()]
    source = open_class_folders((inside or [folder])[0])
    images = ImageSubset(source, np.arange(len(source.labels)), eval_transform(image_size, crop_pct))
    return images, source.class_names
