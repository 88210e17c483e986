"""Files and folders that appear whole or not at all: written beside their place, then renamed into it.

A killed process leaves what it had written beside, under a name that says whose it is. Whoever writes into the same
folder next removes it: at once where its writer is known to be gone, else when it is a day old.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import file_named
from .owner import Process

_BESIDE = re.compile(r"\.(?P<name>.+)\.(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<started>\d*)-[0-9a-f]{8}\.(tmp|old)")
_EARLIER = re.compile(r"\.(?P<name>.+)\.\d+\.(tmp|old|part)|\.step_\d{8}\.tmp")  # do not say when it began
_DAY = 24 * 60 * 60  # seconds
_CURRENT, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends well, and is removed when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    beside = name_beside(path)
    try:
        with file_named(path):
            yield beside
            _sync(beside)
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with atomic_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of `path` when the block ends well, and is removed when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    beside = name_beside(path)
    beside.mkdir()
    try:
        with file_named(path):
            yield beside
            commit_folder(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def name_beside(path: Path, kind: str = "tmp") -> Path:
    """A name of this process beside `path`, that nothing else has or will have; `kind` is ``tmp`` or ``old``."""
    me = Process.current()
    return path.with_name(f".{path.name}.{_machine(me)}-{me.pid}-{me.started}-{secrets.token_hex(4)}.{kind}")


def commit_folder(beside: Path, path: Path) -> None:
    """Put a written folder in the place of `path`, at no moment leaving it without one where the system can do so."""
    for file in beside.rglob("*"):
        if file.is_file():
            _sync(file)
    if not path.exists():
        with suppress(OSError):  # another process has put one there meanwhile
            os.replace(beside, path)
            return
    if _exchange(beside, path):
        shutil.rmtree(beside, ignore_errors=True)
        return
    old = name_beside(path, "old")
    with suppress(FileNotFoundError):
        os.replace(path, old)
    try:
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):  # there was none, or another process has put one there
            os.replace(old, path)
        raise
    finally:
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what dead processes have left here; what one had moved away to replace goes back if nothing did."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(".")]
    except OSError:
        return
    for left in (folder / name for name in names):
        found = _BESIDE.fullmatch(left.name) or _EARLIER.fullmatch(left.name)
        if found is None or not _is_abandoned(left, found):
            continue
        if left.suffix == ".old" and not (folder / found["name"]).exists():
            with suppress(OSError):
                os.replace(left, folder / found["name"])
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else _unlink(left)


def _is_abandoned(left: Path, found: re.Match[str]) -> bool:
    me = Process.current()
    if found.re is _BESIDE and found["machine"] == _machine(me):
        return bool(Process(me.host, int(found["pid"]), found["started"], me.boot, me.namespace).is_gone())
    try:
        newest = max(path.stat().st_mtime for path in (left, *left.rglob("*")))
    except OSError:  # its writer is at it
        return False
    return time.time() - newest > _DAY


def _machine(process: Process) -> str:
    return hashlib.sha256(repr(process.machine).encode()).hexdigest()[:8]


def _exchange(beside: Path, path: Path) -> bool:
    """Swap two folders in one step; False where the system cannot, or there is but one."""
    if not sys.platform.startswith("linux") or not path.is_dir():
        return False
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):  # an older C library
        return False
    return renameat2(_CURRENT, os.fsencode(beside), _CURRENT, os.fsencode(path), _EXCHANGE) == 0


def _unlink(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


def _sync(file: Path) -> None:
    with open(file, "rb") as handle:
        os.fsync(handle.fileno())
