"""What this program does to its process: how torch's threads wait, freed memory, the device, ranks on CPUs."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import sys
from typing import Any

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}  # as in alphanet_launcher.py
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's malloc.h


def version() -> str:
    """This package's."""
    return sys.modules[__name__.partition(".")[0]].__version__


def prepare_process() -> None:
    """Threads that hardly spin, and freed memory kept; for a program's entry point alone, as it may start it again."""
    restart_with_patient_threads()
    keep_freed_memory()


def restart_with_patient_threads() -> None:
    """See that ``OMP_WAIT_POLICY`` is ``PASSIVE``, unless the environment says how threads wait.

    OpenMP's threads spin where they wait for each other. Beside another busy process that is ruinous: on two cores with
    one such process single training steps took 35 to 55 s instead of 1.2 s, and passive ones a steady 2.4 s. But
    threads that sleep at once have to be woken for every small operation, and then two compute no faster than one. A
    thousand turns of waiting (GNU's OpenMP) are between the two: steps of `configs/digits.yaml` on two
    cores took 0.9 s instead of 1.3 s passive, and 1.8 s instead of 1.4 s beside a process that kept one core busy.

    The policy is read when torch is loaded; where that has happened, this program is started again.
    """
    if "OMP_WAIT_POLICY" in os.environ or os.environ.get("OMP_NUM_THREADS") == "1":
        return
    os.environ.update(_WAITING)
    if "torch" in sys.modules:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def keep_freed_memory() -> bool:
    """Let the whole process reuse the memory of freed CPU tensors instead of handing it back to the system.

    By default glibc maps every block over 32 MiB anew and unmaps it when freed, and the system clears each page at its
    first use. For the activations of a training step that takes longer than most of the arithmetic on them. In return
    the process holds its peak memory until it ends. For programs, before they train; a library leaves it to its caller.

    Returns:
        Whether it could be done: on Linux with glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no such library (Windows), no such function (macOS, musl)
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))


def format_warning(message: Warning | str, *_: Any, **__: Any) -> str:
    """A warning as the command line shows it: one line, without the place in a program that it comes from."""
    return f"alphanet: warning: {' '.join(str(message).split())}\n"


class StderrHandler(logging.StreamHandler):
    """Logs to what `sys.stderr` is at that time: above a progress bar while there is one."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None: ...


def check_device(device: str | None) -> None:
    """ValueError unless torch computes on that device here; None for none."""
    if device in (None, "cpu"):
        return
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise ValueError(f"--device {device} cannot be used here ({reason:.200}); here are {_devices()}") from None


def _devices() -> str:
    import torch

    names = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    return ", ".join([*names, "mps"] if torch.backends.mps.is_available() else names)


def start_cpu_ranks() -> None:
    """Start the ranks that were asked for and not started; returns where there is nothing to do.

    Accelerate's launcher (1.15) prepares the address of N processes for ``--cpu`` but starts only one, unless through
    mpirun. This process then becomes torchrun's launcher of all N, with the command line that it has.
    """
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true") and "MASTER_PORT" in os.environ
    if not asked or "RANK" in os.environ or "WORLD_SIZE" in os.environ:
        return
    count = _asked_processes()
    if count < 2:
        return
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(count),
        "--master_addr", os.environ["MASTER_ADDR"], "--master_port", os.environ["MASTER_PORT"],
    ]  # fmt: skip
    sys.stdout.flush()
    os.execv(sys.executable, [*launcher, "-m", "alphanet_plugin", *sys.argv[1:]])


def _asked_processes() -> int:
    """The number of processes on the launcher's command line; 1 where this process was not started by it."""
    import psutil  # a dependency of Accelerate

    try:
        parent = psutil.Process().parent()
        command = " ".join(parent.cmdline()) if parent else ""
    except psutil.Error:
        return 1
    found = re.search(r"\blaunch\b.* --num[_-]processes[ =](\d+)", command)
    return int(found[1]) if found else 1
