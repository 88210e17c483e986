"""What comes after training reaches the run's tracker too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from accelerate.state import is_initialized

from ..config import RunConfig
from .accelerator import forget_accelerator, init_trackers, open_tracker

Track = Callable[[Mapping[str, float], int | None], None]
"""Given figures by name, and the step that they are of or None."""


@contextmanager
def tracked(config: RunConfig, part: str) -> Iterator[Track]:
    """Give what hands figures to the tracker of a run's configuration, ``PART/NAME`` each; it may be none.

    Args:
        config: The run's; what the tracker calls its own run is the run's folder and the part.
        part: What is measured: search, publish, evaluate.

    Raises:
        ConfigError: The tracker's package is not installed.
    """
    if config.training.tracker is None:
        yield lambda figures, step: None  # noqa: ARG005
        return
    is_first = not is_initialized()
    accelerator = open_tracker(config.training.tracker, config.output)
    init_trackers(accelerator, config, f"{config.output} {part}")
    try:
        yield lambda figures, step: accelerator.log({f"{part}/{name}": figures[name] for name in figures}, step=step)
    finally:
        accelerator.end_training()
        if is_first:
            forget_accelerator()
