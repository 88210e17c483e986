"""How torch's threads wait and what becomes of freed memory, where this program owns the process."""

from __future__ import annotations

import os
import sys

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}  # as in alphanet_launcher.py


def prepare_process() -> None:
    """Threads that hardly spin, and freed memory kept; for a program's entry point alone, as it starts it again."""
    restart_with_patient_threads()
    from ..supernet import keep_freed_memory

    keep_freed_memory()


def restart_with_patient_threads() -> None:
    """Start this program again with ``OMP_WAIT_POLICY=PASSIVE``, unless the environment says how threads wait.

    OpenMP's threads spin where they wait for each other. Beside another busy process that is ruinous: on two cores with
    one such process single training steps took 35 to 55 s instead of 1.2 s, and passive ones a steady 2.4 s. But
    threads that sleep at once have to be woken for every small operation, and then two compute no faster than one. A
    thousand turns of waiting (GNU's OpenMP) are between the two: steps of `configs/digits.yaml` on two
    cores took 0.9 s instead of 1.3 s passive, and 1.8 s instead of 1.4 s beside a process that kept one core busy.

    The policy is read when torch is loaded, which importing this package has done by now; hence a second start.
    """
    if "OMP_WAIT_POLICY" in os.environ or os.environ.get("OMP_NUM_THREADS") == "1":
        return
    os.environ.update(_WAITING)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
