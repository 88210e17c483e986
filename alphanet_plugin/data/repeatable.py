"""Batches that several networks go through."""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from torch.utils.data import Subset

from .cached import cached_batches
from .loaders import Batch, eval_loader
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
