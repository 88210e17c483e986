"""One process at a time at a run, a search or a tag: a file says which, for as long as it lives."""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import InUseError, file_named

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_held: set[Path] = set()  # a process that opened such a file twice would lose its lock with the first that it closes


@dataclass(frozen=True)
class Process:
    """Which process of which machine.

    Attributes:
        host: The machine's name.
        pid: Its number there.
        started: When it started, in the system's own count; another process of the same number has another.
        boot: Of which start of the machine; empty where the system does not say.
        namespace: In which the number holds, as containers have their own; empty where there is but one.
    """

    host: str
    pid: int
    started: str
    boot: str
    namespace: str

    @classmethod
    def current(cls) -> Process:
        """This one."""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()) or "", _boot(), _namespace())

    @property
    def machine(self) -> tuple[str, str, str]:
        """Where its number means this process."""
        return self.host, self.boot, self.namespace

    def is_gone(self) -> bool | None:
        """Whether it has ended; None where this process cannot know."""
        here = Process.current()
        if self.machine == here.machine:
            return _started(self.pid) != self.started
        rebooted = self.host == here.host and self.boot and here.boot and self.boot != here.boot
        return True if rebooted else None


@contextmanager
def owned(file: Path, of: str, instead: str = "") -> Iterator[None]:
    """Own something while the block runs.

    The owner is written in `file`, which is locked besides and goes when the block ends. An owner that died is replaced
    on proof: the system let go of its lock, or its machine has no such process any more.

    Args:
        file: Where the owner is written, the same for all who ask; its folder is made.
        of: What is owned, for messages, such as ``the run runs/digits``.
        instead: What else can be done than wait, such as ``choose another output``.

    Raises:
        InUseError: Another process, or another thread of this one, owns it; the message says which, and what to do.
        OSError: The file cannot be written.
    """
    file = file.absolute()
    if file in _held:
        raise InUseError(f"{of} is in use by this very process; wait until that is done{_or(instead)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, locked = _open(file)
    try:
        _check_free(handle, locked, file, of, instead)
        _held.add(file)
        try:
            _write(handle, locked, file)
            yield
        finally:
            _held.discard(file)
            if Process.current() == _owner(_read(handle)):
                with suppress(OSError):  # Windows removes no open file; the next owner sees that this one is gone
                    file.unlink()
    finally:
        os.close(handle)


def _open(file: Path) -> tuple[int, bool | None]:
    """The open file, and whether it is now locked by this process; None where files cannot be locked."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _lock(handle)
        try:
            if os.path.samestat(os.fstat(handle), os.stat(file)):
                return handle, locked
        except FileNotFoundError:
            pass
        os.close(handle)  # the owner ended in between, and its file with it


def _lock(handle: int) -> bool | None:
    """POSIX record locks, because those die with the process even where a data-loading child outlives it."""
    if fcntl is None:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None  # a file system without locks
    return True


def _check_free(handle: int, locked: bool | None, file: Path, of: str, instead: str) -> None:
    record = _read(handle)
    owner = _owner(record)
    if locked is not False:
        # On one machine a lock that could be taken was let go of, whatever namespace its owner lived in.
        let_go = locked and owner and record.get("locked") and owner.boot == _boot() != ""
        if owner is None or let_go or owner.is_gone():
            return
    who = f"process {owner.pid} on {owner.host}" if owner else "another process"
    about = f" ({record['command']}, since {record['since']})" if owner else ""
    if locked is False or owner is None or owner.is_gone() is False:
        raise InUseError(f"{of} is in use by {who}{about}; wait for it, or stop it{_or(instead)}")
    raise InUseError(
        f"{of} is in use by {who}{about}, of which {socket.gethostname()} cannot tell whether it still runs; "
        f"wait for it{_or(instead)}, or if it is no more, delete {file}"
    )


def _write(handle: int, locked: bool | None, file: Path) -> None:
    program, *arguments = sys.argv
    command = shlex.join([os.path.basename(program), *arguments])
    record = {
        **asdict(Process.current()),
        "locked": bool(locked),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": command if len(command) <= 200 else f"{command[:197]}...",
    }
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    content = json.dumps(record).encode()
    try:
        with file_named(file):
            if os.write(handle, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _read(handle: int) -> dict[str, Any]:
    """What the file says; nothing where its writer was killed before it had written it."""
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        record = json.loads(os.read(handle, 1 << 16))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _owner(record: dict[str, Any]) -> Process | None:
    kinds = {"host": str, "pid": int, "started": str, "boot": str, "namespace": str, "since": str, "command": str}
    if not all(isinstance(record.get(name), kind) for name, kind in kinds.items()):
        return None
    return Process(**{name: record[name] for name in Process.__dataclass_fields__})


def _or(instead: str) -> str:
    return f", or {instead}" if instead else ""


def _started(pid: int) -> str | None:
    """When a process of this machine started; None where there is none, or it has ended and waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _started_elsewhere(pid)
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def _started_elsewhere(pid: int) -> str | None:
    import psutil  # a dependency of Accelerate

    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
