"""C functions for training on CPUs, built by the machine's own compiler when they are first used.

They are optional: where there is no compiler, torch's own operations do the same. A built library is kept in the
user's cache under a digest of its source, compiler and processor.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from ctypes import CDLL, c_double, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import platformdirs
import torch
from torch import Tensor

from ..atomic import atomic_file
from ..errors import ConfigError

Kernels = Literal["auto", "plain", "compiled"]

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("depthwise.c", "norm_act.c", "activations.h"))
# OpenMP is compiled in but not linked: its functions are found in the library that torch has loaded, so that both share
# one set of threads.
_COMPILE = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC")
_LINK = ("-shared", "-nostdlib")
_wanted: Kernels = "auto"


def use_kernels(kernels: Kernels) -> None:
    """Choose what training on CPUs computes with, for this process.

    Args:
        kernels: ``auto``, compiled functions where this machine can build them; ``plain``, torch's own operations;
            ``compiled``, an error where they cannot be built. They differ by rounding.

    Raises:
        ConfigError: Another word, or ``compiled`` and no way to build them.
    """
    global _wanted
    if kernels not in get_args(Kernels):
        raise ConfigError(f"kernels must be one of {', '.join(get_args(Kernels))}, not {kernels!r}")
    if kernels == "compiled" and isinstance(why := _library(), str):
        raise ConfigError(f"kernels: compiled cannot be had here: {why}; kernels: auto does without")
    _wanted = kernels


def has_compiled(*tensors: Tensor) -> bool:
    """Whether the compiled functions are to be used, and take these: float32, on a CPU, in rows of channels."""
    return (
        _wanted != "plain"
        and all(
            one.device.type == "cpu"
            and one.dtype == torch.float32
            and one.ndim == 4
            and one.is_contiguous(memory_format=torch.channels_last)
            for one in tensors
        )
        and not torch.jit.is_tracing()
        and not isinstance(_library(), str)
    )


def call_compiled(name: str, *arguments: Tensor | float | None) -> None:
    """Call a compiled function on the memory of tensors, or NULL, on numbers and on the number of threads.

    Raises:
        MemoryError: It found no room for its sums.
    """
    given = [
        c_int64(one) if isinstance(one, int) else c_double(one) if isinstance(one, float) else _address(one)
        for one in arguments
    ]
    if getattr(_library(), name)(*given, c_int(torch.get_num_threads())):
        raise MemoryError(f"no room for the sums of {name}")


def _address(one: Tensor | None) -> c_void_p:
    return c_void_p(None if one is None else one.data_ptr())


def describe_kernels() -> str:
    """``compiled``, or ``plain`` and why."""
    library = _library()
    return f"plain ({library})" if isinstance(library, str) else "compiled"


@cache
def _library() -> CDLL | str:
    """The library, built if need be; or why there is none."""
    if not sys.platform.startswith("linux"):
        return "they are built on Linux only"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        return f"no C compiler: {compiler[0]} is not on the PATH"
    try:
        path = _path(compiler)
        if not path.is_file():
            with atomic_file(path) as beside:
                _build(compiler, beside)
        return CDLL(str(path), os.RTLD_NOW)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{compiler[0]} could not build them: {' '.join(str(error).split())[:200]}"


def _path(compiler: list[str]) -> Path:
    version = subprocess.run([*compiler, "--version"], capture_output=True, timeout=60, check=True).stdout
    flags = shlex.join([*compiler, *_COMPILE]).encode()
    parts = (*(source.read_bytes() for source in _SOURCES), version, flags, _processor().encode())
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("alphanet_plugin")) / "kernels" / f"{digest}.so"


def _processor() -> str:
    """What the compiler's ``native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *sorted(told)])


def _build(compiler: list[str], output: Path) -> None:
    done = subprocess.run(
        [*compiler, *_COMPILE, *_LINK, "-o", str(output), *(str(one) for one in _SOURCES if one.suffix == ".c")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise OSError((done.stderr.strip().splitlines() or ["no message"])[0])
