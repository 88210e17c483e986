"""A GPU computes while its host goes on: batches on their way to it, losses on their way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..models import memory_format_of

STEPS_BEHIND = 2
"""So many steps after its own a step's losses are read from a GPU, which then need not wait for the host."""


class Figures(Mapping[str, float]):
    """A step's figures for the log; they wait for the device where they are looked at, and not before.

    Args:
        losses: (n,), on the device.
        figures_of: The numbers of `losses` -> the figures by name; may raise what is wrong with them.
    """

    def __init__(self, losses: Tensor, figures_of: Callable[[list[float]], Mapping[str, float]]):
        self._losses, self._figures_of = losses.detach(), figures_of
        self._ready: Any = None
        self._figures: Mapping[str, float] | None = None
        if losses.device.type == "cuda":  # a later copy would wait for all that is asked of the device by then
            self._losses = self._losses.to("cpu", non_blocking=True)
            self._ready = torch.cuda.Event()
            self._ready.record()

    def read(self) -> Mapping[str, float]:
        """The figures, as soon as the device has them."""
        if self._figures is None:
            if self._ready is not None:
                self._ready.synchronize()
            self._figures = self._figures_of(self._losses.tolist())
        return self._figures

    def __getitem__(self, name: str) -> float:
        return self.read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())


class Clock:
    """Seconds of steps that overlap: of each from its beginning or the end of the one before, whichever is later."""

    def __init__(self) -> None:
        self._last = 0.0

    def seconds(self, began: float) -> float:
        """Of a step that ends now and began at a `time.perf_counter()`; asked for each step in turn."""
        began, self._last = max(began, self._last), time.perf_counter()
        return self._last - began


def on_device(batches: Iterable[Sequence[Tensor]], device: torch.device) -> Iterator[list[Tensor]]:
    """Batches on the device, images (the first tensor) in its memory format; on CUDA the next one is sent meanwhile.

    It is sent beside the step before it, from pinned memory (as `data.train_loader`'s is) without the host waiting.
    """
    if device.type != "cuda":
        for batch in batches:
            yield _sent(batch, device)
        return
    stream, sent = torch.cuda.Stream(device), None
    for batch in batches:
        before = sent
        with torch.cuda.stream(stream):
            sent = _sent(batch, device)
        if before is not None:
            yield before
        torch.cuda.current_stream(device).wait_stream(stream)
        for tensor in sent:
            tensor.record_stream(torch.cuda.current_stream(device))
    if sent is not None:
        yield sent


def _sent(batch: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    images, *others = batch
    images = images.to(device, non_blocking=True, memory_format=memory_format_of(device))
    return [images, *(other.to(device, non_blocking=True) for other in others)]
