"""Images to measure a finished model on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError, few
from ..nearest import path_hint
from .build import check_name
from .digits import test_digits
from .folder import has_folders, open_class_folders, open_test_folder
from .image_subset import ImageSource, ImageSubset
from .small_sets import SMALL_SETS
from .splits import LabelledImages
from .timm_splits import open_test
from .transforms import Preparation


def prepared(source: ImageSource, preparation: Preparation) -> LabelledImages:
    """All images of a source as a model wants them."""
    return ImageSubset(source, np.arange(len(source.labels)), preparation.transform())


def evaluation_source(data: str, root: str | None = None) -> ImageSource:
    """The images, as they are, for a model that is only measured.

    Args:
        data: A folder with class folders in ``val/`` or ``validation/``, or with class folders of its own; or the name
            of a data set as `build_splits` takes it, whose test part is meant.
        root: Where a data set of that name lies.

    Raises:
        ConfigError: There are no such images.
    """
    folder = Path(data).expanduser()
    if root is None and folder.is_dir():
        inside = [folder / name for name in ("val", "validation") if (folder / name).is_dir()]
        if not inside and has_folders(folder / "train"):  # and no class of that name
            return open_test_folder(folder)  # which says where the test images may be
        return open_class_folders((inside or [folder])[0])
    if data == "digits":
        return test_digits()
    if root is None and folder.is_file():
        raise DataError(f"{data} is a file; give a folder with class folders, or the name of a data set")
    if root is None and _is_path(data, folder):
        raise DataError(
            f"there is no folder {data}{path_hint(folder)}; give one with class folders, or the name of a data set"
        )
    if root is None and "/" in data and data.partition("/")[0] not in ("torch", "hfds", "hfids", "tfds", "wds"):
        raise ConfigError(
            f"{data!r} is neither a folder here nor a data set's name{path_hint(folder)}; give a folder with class "
            "folders, or a name such as digits or torch/cifar10"
        )
    check_name(data)
    return open_test(data, root)


def check_classes(model: str, names: object, data: str, class_names: tuple[str, ...], *, others: str) -> None:
    """Refuse to compare a model's answers with the labels of other classes.

    Args:
        model: What the model is called.
        names: Its class names in the order of its logits; anything else than a sequence where they are not known.
        data: What the data is called.
        class_names: Of the data, in the order of its labels.
        others: What to do to compare all the same.

    Raises:
        DataError: The names are others, or stand in another order.
    """
    if not isinstance(names, (list, tuple)) or tuple(map(str, names)) == class_names:
        return
    own = tuple(map(str, names))
    if sorted(own) == sorted(class_names):
        place = next(place for place, name in enumerate(own) if name != class_names[place])
        what = f"the same classes in another order: place {place} is {own[place]!r} and {class_names[place]!r}"
    else:
        here, there = (
            few(sorted(set(one) - set(other)), 3, show=repr) for one, other in ((own, class_names), (class_names, own))
        )
        what = f"other classes: {here or 'none'} and {there or 'none'}"
    raise DataError(f"{model} and {data} have {what}; {others}")


def _is_path(data: str, folder: Path) -> bool:
    """Whether `data`, which is no folder, was meant as one and not as the name of a data set."""
    if folder.is_absolute() or data.startswith((".", "~")):
        return True
    return "/" not in data and data not in ("folder", *SMALL_SETS) and (folder.exists() or bool(path_hint(folder)))
