"""Batches that several networks go through."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from .loaders import Batch, batch_loader, eval_loader
from .seeded import SeededDataset
from .splits import LabelledImages


def repeatable_batches(
    images: LabelledImages,
    *,
    batch_size: int,
    limit: int | None = None,
    cache_gb: float,
    seed: int = 0,
    num_workers: int = 0,
) -> Iterable[Batch]:
    """The same batches in every pass, kept in memory where they fit and read anew otherwise.

    Args:
        images: Where they come from.
        batch_size: Images of a batch.
        limit: So many batches of images chosen by `seed`, every one whole; fewer if there are not as many. By default
            all images.
        cache_gb: Up to how many GB are kept.
        seed: Of the choice and of augmentation.
        num_workers: Processes that read.
    """
    count = len(images) if limit is None else min(len(images), limit * batch_size)
    batch_size = min(batch_size, count)
    if limit is not None:
        count -= count % batch_size  # every batch weighs the same in BatchNorm's average
    if count * images[0][0].numel() * 4 <= cache_gb * 1e9:
        return cached_batches(images, batch_size, count, seed=seed, num_workers=num_workers)
    order = np.random.default_rng(seed).permutation(len(images))[:count].tolist()
    part = cast(LabelledImages, Subset(cast(Any, images), order))
    return eval_loader(part, batch_size=batch_size, seed=seed, num_workers=num_workers)


def cached_gb(batches: Iterable[Batch]) -> float:
    """Memory that the images of batches from `repeatable_batches` take between passes, in GB."""
    if not isinstance(batches, list):
        return 0.0
    return sum(images.numel() * images.element_size() for images, _ in batches) / 1e9


def cached_batches(
    dataset: LabelledImages,
    batch_size: int,
    limit: int | None = None,
    *,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    num_workers: int = 0,
) -> list[Batch]:
    """The data set, or `limit` images of it, as a list of `Batch`; 4 * C * S * S bytes an image.

    With `shuffle` the images are a permutation chosen by `seed`, so that a limited or a calibration batch holds all
    classes; augmentation depends on `seed` and the image only. `drop_last` leaves an incomplete last batch out: the
    cumulative average of BatchNorm statistics gives every batch the same weight.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 image (or None for all), got {limit}")
    order = np.random.default_rng(seed).permutation(len(dataset)) if shuffle else np.arange(len(dataset))
    order = order[:limit]
    end = len(order) - len(order) % batch_size if drop_last else len(order)
    if end == 0:
        raise ValueError(
            f"{len(order)} images (data set {len(dataset)}, limit {limit}) make no batch of {batch_size}; "
            "lower batch_size or raise limit"
        )
    batches = [order[first : first + batch_size].tolist() for first in range(0, end, batch_size)]
    loader = batch_loader(SeededDataset(dataset, seed), batches, num_workers=num_workers, pin_memory=False)
    return list(loader)


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
