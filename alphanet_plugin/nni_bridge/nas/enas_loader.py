"""NNI's ENAS on Lightning 2, whose loop takes apart what NNI's loader yields before ENAS sees what a batch is for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from nni.nas.strategy import ENAS


class TaggedBatches(Collection[Any]):
    """All training batches, then all validation batches, each as (batch, "train" or "val"): ENAS's own older form."""

    def __init__(self, train: Collection[Any], val: Collection[Any]):
        self.train = train
        self.val = val

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        yield from ((batch, "train") for batch in self.train)
        yield from ((batch, "val") for batch in self.val)

    def __contains__(self, item: object) -> bool:
        return any(item is batch for batch in self)


def repair_enas(strategy: ENAS) -> ENAS:
    """Let this strategy load batches in the form that its training step reads on any Lightning.

    Our spaces do it themselves; for others call it before the experiment.
    """

    def train_dataloader(train: Callable[[], Collection[Any]], val: Callable[[], Collection[Any]]) -> TaggedBatches:
        return TaggedBatches(train(), val())

    strategy.train_dataloader = train_dataloader  # type: ignore[method-assign]
    return strategy
