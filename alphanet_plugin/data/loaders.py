"""Loaders for training and for evaluation sets that do not fit in memory."""

import os
import pickle
import traceback
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ..errors import DataError
from .run_sampler import RunSampler
from .seeded import SeededDataset
from .splits import LabelledImages

Batch = tuple[Tensor, Tensor]
"""(float32 images (B, C, S, S) in channels_last memory, int64 labels (B,))."""


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

    def together(self) -> AbstractContextManager[None]:
        return self.images.together()


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
    """A `Batch` for each list of items in `batches`. Memory is pinned by default where CUDA is at hand.

    There are no more workers than cores, as torch advises; their number changes no batch.
    """
    num_workers = min(num_workers, _cores())
    loader: Any = _Loader(  # torch's types know no collate_fn that changes the items' type
        _Guarded(dataset),
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]  # any sized iterable serves
        collate_fn=collate_channels_last,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        generator=torch.Generator(),  # else every pass takes a number from torch's global generator
    )
    return loader


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Failed:
    """An error on its way from a loader's process to the one that asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Guarded(Dataset[Any]):
    """A data set whose errors are items: torch would send their traceback as the message."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self._together = getattr(dataset, "together", nullcontext)  # of `SeededDataset`

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int) -> Any:
        try:
            return self.dataset[item]
        except Exception as error:
            return _Failed(error if get_worker_info() is None else _portable(error))

    def __getitems__(self, items: Sequence[int]) -> list[Any]:
        """torch asks for a whole batch by this."""
        with self._together():
            return [self[item] for item in items]


def _portable(error: Exception) -> Exception:
    """An error that another process can take, with the traceback as a note."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    if add_note := getattr(error, "add_note", None):  # Python 3.11
        add_note(traceback.format_exc())
    return error


class _Loader(DataLoader[Any]):
    """torch's, that raises what an item raised, with and without workers alike."""

    def __iter__(self) -> Any:
        try:
            for batch in super().__iter__():
                if isinstance(batch, _Failed):
                    raise batch.error
                yield batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker"):
                raise
            raise DataError(
                f"a process that reads images ended ({' '.join(str(error).split())[:200]}); if memory ran out, lower "
                "data.workers or the batch size"
            ) from error


def collate_channels_last(items: Sequence[Any]) -> Any:
    """Items -> `Batch`, and a tensor for each further member of an item; of items that failed the first."""
    for item in items:
        if isinstance(item, _Failed):
            return item
    images, labels, *others = zip(*items, strict=True)
    stacked = torch.stack(images).contiguous(memory_format=torch.channels_last)
    return stacked, torch.tensor(labels, dtype=torch.int64), *(torch.stack(other) for other in others)
