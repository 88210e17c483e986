"""How torch's threads wait and what becomes of freed memory, where this program owns the process."""

from __future__ import annotations

import os
import sys


def prepare_process() -> None:
    """Passive threads, and freed memory kept; for a program's entry point alone, as it starts the program again."""
    restart_with_passive_threads()
    from ..supernet import keep_freed_memory

    keep_freed_memory()


def restart_with_passive_threads() -> None:
    """Start this program again with ``OMP_WAIT_POLICY=PASSIVE``, unless the environment says how threads wait.

    OpenMP's threads spin where they wait for each other. Beside another busy process that is ruinous: on two cores with
    one such process single training steps took 35 to 55 s instead of 1.2 s, and passive ones a steady 2.4 s. The policy
    is read when torch is loaded, which importing this package has done by now; hence a second start.
    """
    if "OMP_WAIT_POLICY" in os.environ or os.environ.get("OMP_NUM_THREADS") == "1":
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
