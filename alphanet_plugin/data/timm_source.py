"""Images of a data set that `timm.data.create_dataset` knows, one at a time and by position."""

from typing import Any

import numpy as np
from PIL import Image
from timm.data.dataset_factory import create_dataset

from ..errors import ConfigError
from .open_image import as_rgb, open_image, unreadable

_STREAMS = ("hfids", "tfds", "wds")  # timm's prefixes of data sets without positions


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
