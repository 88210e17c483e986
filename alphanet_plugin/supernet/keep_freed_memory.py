"""How this process treats the memory of freed tensors."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's malloc.h


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
