"""A trial that outlives what started it."""

from __future__ import annotations

import os
import signal
import threading
import time

_SECONDS = 1.0


def die_with_parent() -> None:
    """End this process when its parent ends.

    NNI 3.0 kills a trial by a signal to the one process that it started. Where that is a shell or a launcher, such as
    ``accelerate launch``, the program behind it would go on computing, unseen. A thread watches for that.
    """
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), name="die_with_parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
