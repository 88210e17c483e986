"""Batches that are made once and kept in memory."""

import numpy as np

from .loaders import Batch, batch_loader
from .seeded import SeededDataset
from .splits import LabelledImages


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
