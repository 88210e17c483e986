"""Augmentation that depends on a seed and the draw, and on nothing else."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .splits import LabelledImages


class SeededDataset(Dataset[tuple[Tensor, int]]):
    """`dataset` addressed by draws: draw d is item d % N in epoch d // N of a run.

    Each item is made under random generators seeded with (seed, draw), so neither the number of workers nor the step
    at which a run was resumed changes it, and the caller's generators are left as they were.
    """

    def __init__(self, dataset: LabelledImages, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self.dataset = dataset
        self.seed = seed
        self._kept = False

    def __len__(self) -> int:
        """Items of one epoch."""
        return len(self.dataset)

    def __getitem__(self, draw: int) -> tuple[Tensor, int]:
        if draw < 0:
            raise IndexError(f"a draw is counted from 0, got {draw}")
        _, index = divmod(draw, len(self.dataset))
        with nullcontext() if self._kept else generators_kept():
            seed_generators(self.seed, draw)
            return self.dataset[index]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Leave the caller's generators as they were after the items of this block, and not after each."""
        with generators_kept():
            self._kept = True
            try:
                yield
            finally:
                self._kept = False


@contextmanager
def generators_seeded(*key: int) -> Iterator[None]:
    """Python's, numpy's and torch's (CPU) global generators, which transforms draw from; put back afterwards."""
    with generators_kept():
        seed_generators(*key)
        yield


@contextmanager
def generators_kept() -> Iterator[None]:
    """The same generators are put back afterwards, which takes four times as long as to seed them."""
    kept = random.getstate(), np.random.get_state(), torch.default_generator.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.default_generator.set_state(kept[2])


def seed_generators(*key: int) -> None:
    """Seed the same generators with a few numbers."""
    words = np.random.SeedSequence(key).generate_state(6)
    random.seed(int(words[0]) << 32 | int(words[1]))
    np.random.seed(words[2:4])  # noqa: NPY002
    # Not torch.manual_seed, which would reseed the accelerators too.
    torch.default_generator.manual_seed(int(words[4]) << 32 | int(words[5]))
