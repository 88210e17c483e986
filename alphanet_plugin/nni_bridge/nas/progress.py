"""How far a training inside an NNI experiment is, which NNI does not say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

logger = logging.getLogger("nni.alphanet_plugin.nas")  # below NNI's, which writes to the console and experiment.log


class Progress:
    """Logs the first step, the last one, and between them one in so many seconds.

    Args:
        total_steps: Of the whole training.
        seconds: Between two lines.
        clock: Seconds that do not go back.
    """

    def __init__(self, total_steps: int, seconds: float = 20.0, clock: Callable[[], float] = time.monotonic):
        self.total_steps, self.seconds, self.clock = total_steps, seconds, clock
        self._next = clock()

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take a step's record in."""
        done = int(record["step"]) + 1
        if self.clock() < self._next and done < self.total_steps:
            return
        self._next = self.clock() + self.seconds
        losses = ", ".join(f"{name} {record[name]:.3f}" for name in ("loss", "kd_loss") if name in record)
        logger.info("step %d of %d: %s", done, self.total_steps, losses)
