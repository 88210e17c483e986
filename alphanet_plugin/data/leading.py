"""The first images of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from torch import Tensor
from torch.utils.data import DataLoader


class LeadingImages:
    """The first images of batches, in every pass; nothing is copied or kept.

    Of several batches whole ones are taken, so that BatchNorm sees no smaller one; what is less than one batch is the
    beginning of the first.

    Args:
        batches: Images (B, C, S, S), or (images, labels): a sequence, or torch's loader, whose data set are its images.
        count: At most so many images, and no more than there are; at least two are taken, which BatchNorm needs.
    """

    def __init__(self, batches: Iterable[Tensor | Sequence[Tensor]], count: int):
        total, first = count_images(batches), _size(next(iter(batches)))
        count = min(total, max(2, count))
        self.batches = batches
        self.count = count if count < first or count == total else count - count % first

    def __iter__(self) -> Iterator[Any]:
        left = self.count
        for batch in self.batches:
            yield batch[:left] if isinstance(batch, Tensor) else tuple(part[:left] for part in batch)
            left -= _size(batch)
            if left <= 0:
                return


def count_images(batches: Iterable[Tensor | Sequence[Tensor]]) -> int:
    """How many images a pass over batches takes.

    Raises:
        ValueError: They can be counted only by reading them.
    """
    if isinstance(batches, LeadingImages):
        return batches.count
    if isinstance(batches, DataLoader):
        return len(cast(Any, batches.dataset))
    if isinstance(batches, Sequence):
        return sum(map(_size, batches))
    raise ValueError(f"the images of a {type(batches).__name__} cannot be counted; give a list of batches or a loader")


def _size(batch: Tensor | Sequence[Tensor]) -> int:
    return len(batch) if isinstance(batch, Tensor) else len(batch[0])
