"""Loaders for training and for evaluation sets that do not fit in memory."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .run_sampler import RunSampler
from .seeded import SeededDataset
from .splits import LabelledImages

Batch = tuple[Tensor, Tensor]
"""(float32 images (B, 3, S, S) in channels_last memory, int64 labels (B,))."""


class DrawnBeside(Protocol):
    """A tensor of one shape for each draw of a run."""

    def __getitem__(self, draw: int, /) -> Tensor: ...


class _Beside(Dataset[tuple[Tensor, int, Tensor]]):
    def __init__(self, images: SeededDataset, beside: DrawnBeside) -> None:
        self.images = images
        self.beside = beside

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: int) -> tuple[Tensor, int, Tensor]:
        return (*self.images[draw], self.beside[draw])


def train_loader(
    dataset: LabelledImages,
    *,
    batch_size: int,
    steps: int,
    seed: int,
    start_step: int = 0,
    rank: int = 0,
    world_size: int = 1,
    num_workers: int = 0,
    pin_memory: bool | None = None,
    repeats: int = 1,
    views: int | None = None,
    beside: DrawnBeside | None = None,
) -> "DataLoader[Any]":
    """One `Batch` for each step of a run from `start_step` on, this rank's share of the global batch.

    It shards by itself: do not hand it to Accelerate's `prepare`, which would shard it again. `repeats` and `views` are
    those of `RunSampler`. With `beside`, a batch holds a third tensor: what it has for each image's draw.
    """
    sampler = RunSampler(
        len(dataset), batch_size, steps, seed, start_step, rank, world_size, repeats=repeats, views=views
    )
    items: Any = SeededDataset(dataset, seed)
    if beside is not None:
        items = _Beside(items, beside)
    return batch_loader(items, sampler, num_workers=num_workers, pin_memory=pin_memory)


def draw_loader(
    dataset: LabelledImages, draws: Sequence[int], batch_size: int, *, seed: int, num_workers: int = 0
) -> "DataLoader[Batch]":
    """The images of some draws of a run (see `SeededDataset`), in that order."""
    batches = [draws[first : first + batch_size] for first in range(0, len(draws), batch_size)]
    return batch_loader(SeededDataset(dataset, seed), batches, num_workers=num_workers)


def eval_loader(
    dataset: LabelledImages,
    *,
    batch_size: int,
    seed: int = 0,
    num_workers: int = 0,
    pin_memory: bool | None = None,
) -> "DataLoader[Batch]":
    """Every image once and in order, decoded anew in each pass; `cached_batches` is faster where memory allows."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    positions = range(len(dataset))
    batches = [positions[first : first + batch_size] for first in range(0, len(dataset), batch_size)]
    return batch_loader(SeededDataset(dataset, seed), batches, num_workers=num_workers, pin_memory=pin_memory)


def batch_loader(
    dataset: Dataset[tuple[Tensor, int]],
    batches: Iterable[Sequence[int]],
    *,
    num_workers: int = 0,
    pin_memory: bool | None = None,
) -> "DataLoader[Batch]":
    """A `Batch` for each list of items in `batches`. Memory is pinned by default where CUDA is at hand."""
    loader: Any = DataLoader(  # torch's types know no collate_fn that changes the items' type
        dataset,
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]  # any sized iterable serves
        collate_fn=collate_channels_last,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        generator=torch.Generator(),  # else every pass takes a number from torch's global generator
    )
    return loader


def collate_channels_last(items: Sequence[tuple[Any, ...]]) -> tuple[Tensor, ...]:
    """Items -> `Batch`, and a tensor for each further member of an item."""
    images, labels, *others = zip(*items, strict=True)
    stacked = torch.stack(images).contiguous(memory_format=torch.channels_last)
    return stacked, torch.tensor(labels, dtype=torch.int64), *(torch.stack(other) for other in others)
