"""Training images that are decoded once, as far as memory is allowed for them."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from .image_subset import ImageSource, ImageSubset
from .small_sets import ArraySource
from .splits import Splits

_GREY, _COLOUR = 1, 4  # bytes of a pixel, as Pillow keeps them: those of RGB with a fourth beside them


class DecodedImages:
    """A source whose images stay in memory once they are decoded, up to a number of bytes; the others are read anew.

    Args:
        source: Where they are read from.
        limit: Bytes of each process that reads.
    """

    def __init__(self, source: ImageSource, limit: int) -> None:
        self.source = source
        self.labels, self.class_names, self.names = source.labels, source.class_names, source.names
        self._room = limit
        self._kept: dict[int, Image.Image] = {}

    def image(self, position: int) -> Image.Image:
        kept = self._kept.get(position)
        if kept is not None:
            return kept
        image = self.source.image(position)
        size = (_GREY if image.mode == "L" else _COLOUR) * image.width * image.height
        if size <= self._room:
            image.load()
            self._kept[position] = image
            self._room -= size
        return image

    def stamp(self, position: int) -> str:
        return self.source.stamp(position)


def with_images_decoded(splits: Splits, gigabytes: float, workers: int = 0) -> Splits:
    """The same parts, the training images of which are decoded once; they lie in memory already where they are small.

    Args:
        splits: Of a data set.
        gigabytes: What all loader processes of a rank may keep together; 0 for nothing.
        workers: Their number; each keeps what it meets itself.
    """
    train, calibration = splits.train, splits.calibration
    if not gigabytes or not isinstance(train, ImageSubset) or isinstance(train.source, ArraySource):
        return splits
    source = DecodedImages(train.source, int(gigabytes * 1e9) // max(1, workers))
    parts = {"train": ImageSubset(source, train.positions, train.transform)}
    if isinstance(calibration, ImageSubset):
        parts["calibration"] = ImageSubset(source, calibration.positions, calibration.transform)
    return replace(splits, **parts)
