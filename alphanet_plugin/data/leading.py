"""The first images of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from torch import Tensor
from torch.utils.data import DataLoader


class LeadingImages:
    """A share of the images of batches, the first ones, in every pass; nothing is copied or kept.

    Of several batches whole ones are taken, so that in BatchNorm's average every image weighs the same; a share of less
    than one batch is the beginning of the first.

    Args:
        batches: Images (B, 3, S, S), or (images, labels): a sequence, or torch's loader, whose data set are its images.
        share: Above 0, at most 1. At least two images are taken, which BatchNorm needs.
        whole: Whether to take whole batches where there is one; else exactly the share, rounded up.
    """

    def __init__(self, batches: Iterable[Tensor | Sequence[Tensor]], share: float, *, whole: bool = False):
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}")
        total, first = count_images(batches), _size(next(iter(batches)))
        count = min(total, max(2, -int(-total * share // 1)))
        self.batches = batches
        self.count = count - count % first if whole and count > first else count

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
