"""What other packages print about themselves, and nobody who runs a verb can act on.

The program leaves it out, and so does every process that it starts, of whatever kind (workers of a study, ranks, NNI's
trials): the first import of this package in them does, by a mark in the environment. A library user's program shows
what it always shows.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings

MARK = "ALPHANET_VERB"
"""Set in the environment of processes that a verb started."""

# Message (a pattern) and the module it is of.
_OTHERS_WARNINGS = (
    (r".torch\.jit\.[a-z_]+. is deprecated", r"(torch|fvcore|timm|nni)\b"),
    (r"`?torch\.(cuda\.)?amp\.\w+(\(args\.\.\.\))?`? is deprecated", r"(torch|nni|accelerate|pytorch_lightning)\b"),
    (r"pkg_resources is deprecated", r"(nni|pytorch_lightning|lightning_utilities|fvcore|iopath)\b"),
    (r"Deprecated call to `pkg_resources", r"(pkg_resources|nni|lightning)"),
    (r".*pynvml package is deprecated", r"torch\b"),
)
_OTHERS_LOGS = (("torch.utils.cpp_extension", "No CUDA runtime is found"),)

_OTHERS_QUIET = ("onnxscript",)  # what it could not convert is told by the error that follows


def hide_in_children() -> None:
    """Mark the environment, so that processes started from this one leave it out too."""
    os.environ[MARK] = "1"


def is_child() -> bool:
    """Whether a verb started this process."""
    return MARK in os.environ


def hide_others_notes() -> None:
    """Leave out what other packages print about themselves; all else is shown."""
    for message, module in _OTHERS_WARNINGS:
        warnings.filterwarnings("ignore", message=message, module=module)
    for logger, start in _OTHERS_LOGS:
        logging.getLogger(logger).addFilter(_Without(start))
    for logger in _OTHERS_QUIET:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP of its unused parameters; read when torch is loaded
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # each retry twice; our error says which network failed at what
    with contextlib.suppress(ImportError):
        from gym_notices import notices  # what Gym prints when it is imported, which NNI's NAS does

        notices.notices.clear()


class _Without(logging.Filter):
    def __init__(self, start: str):
        super().__init__()
        self._start = start

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self._start)

    def __eq__(self, other: object) -> bool:  # so that a logger takes each once
        return isinstance(other, _Without) and other._start == self._start

    __hash__ = None  # type: ignore[assignment]
