"""The history of a search: a JSON-lines file that survives the process and that a rerun picks up."""

from __future__ import annotations

import contextlib
import json
import math
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import flat
from ..errors import InUseError, SearchError
from ..owner import owned
from ..spaces import Arch
from .evaluated import Evaluated

Check = Callable[[Evaluated], None]
"""Raises ValueError, saying why, for what cannot have been evaluated: an arch of another space, another cost, ..."""

_NO_RECORD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
ORIGINS = ("random", "crossover", "mutation", "preset", "given")
_FORMAT = "alphanet-search-history-1"
_HEADER_START = f'{{"format": "{_FORMAT}", '.encode()


@dataclass(frozen=True)
class HistoryEntry:
    """One evaluated subnet of a search.

    Attributes:
        evaluated: The subnet and its metrics.
        round: Of the evolution, 0 for the random one.
        origin: How the arch came about, one of `ORIGINS`.
    """

    evaluated: Evaluated
    round: int
    origin: str

    def to_json(self) -> str:
        subnet = self.evaluated
        fields = {
            "arch": subnet.arch.to_dict(),
            "mflops": subnet.mflops,
            "metrics": {name: _strict_number(value) for name, value in subnet.metrics.items()},
            **({} if subnet.share == 1 else {"share": subnet.share}),
            "round": self.round,
            "origin": self.origin,
        }
        return json.dumps(fields, allow_nan=False)

    @classmethod
    def from_json(cls, line: bytes) -> HistoryEntry:
        """Any of `_NO_RECORD` where the line is not a record of an entry."""
        fields = json.loads(line, parse_constant=_refuse)
        metrics = {name: float(value) for name, value in fields["metrics"].items()}
        subnet = Evaluated(Arch(fields["arch"]), float(fields["mflops"]), metrics, float(fields.get("share", 1.0)))
        if fields["origin"] not in ORIGINS:
            raise ValueError(f"origin {fields['origin']!r:.80}")
        if type(fields["round"]) is not int or fields["round"] < 0:
            raise ValueError(f"round {fields['round']!r:.80}")
        if not (0 < subnet.mflops < math.inf and 0 < subnet.share <= 1):
            raise ValueError(f"mflops {subnet.mflops}, share {subnet.share}")
        return cls(subnet, fields["round"], fields["origin"])


class SearchHistory:
    """Evaluated subnets in a file, one a line, each on disk before the next is evaluated.

    Those evaluated by a share of the image passes stand beside those evaluated in full and are found by their share
    alone: the history's length and what it iterates over are the full ones.

    The first line holds a fingerprint of all that decides a subnet's metrics: space, checkpoint, evaluation settings,
    number of classes. Opening an existing file takes its results over. A line that was torn when the process
    was killed is dropped. One process at a time owns a file; see `owner.owned`.

    Args:
        path: The file; made, with its folders, if there is none.
        fingerprint: What JSON can hold (anything else goes in as its ``str``).
        complete: Makes of a kept fingerprint one of today, where an earlier version wrote the file.
        check: Told of every subnet that the file holds.

    Raises:
        SearchError: The file's fingerprint differs, it is damaged or no history, or it cannot be opened or written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fingerprint: Mapping[str, Any],
        complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        check: Check | None = None,
    ):
        self.path = Path(path)
        self.complete = complete
        self.check = check
        self._owner = ExitStack()
        weakref.finalize(self, self._owner.close)
        self.fingerprint: dict[str, Any] = json.loads(json.dumps(dict(fingerprint), default=str))
        self._entries: dict[tuple[Arch, float], HistoryEntry] = {}
        self._own()
        try:
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - held until close()
        except OSError as error:
            self._owner.close()
            raise SearchError(f"history {self.path} cannot be opened: {error.strerror}") from error
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def get(self, arch: Arch, share: float = 1.0) -> HistoryEntry | None:
        """What is known of an arch, evaluated by that share of the image passes."""
        return self._entries.get((arch, share))

    def record(self, entry: HistoryEntry) -> None:
        """Append an entry; it is on disk when this returns.

        Raises:
            SearchError: It cannot be written, for example because the disk is full; what was there stays readable.
        """
        assert _key(entry) not in self._entries, "a subnet is recorded once"
        self._append(entry.to_json())
        self._entries[_key(entry)] = entry

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[HistoryEntry]:
        return (entry for entry in self._entries.values() if entry.evaluated.share == 1)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._owner.close()

    def __enter__(self) -> SearchHistory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _own(self) -> None:
        try:
            self._owner.enter_context(owned(self.path.with_name(f".{self.path.name}.owner"), f"history {self.path}"))
        except InUseError as error:
            raise SearchError(str(error)) from error
        except OSError as error:
            raise SearchError(f"history {self.path} cannot be written: {error.strerror}") from error

    def _load(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        if _is_torn_header(content):
            self._size = 0
            self._file.truncate(0)
            self._append(json.dumps({"format": _FORMAT, "fingerprint": self.fingerprint}))
            return
        fingerprint, entries, self._size = _parse(self.path, content, self.check)
        _check_fingerprint(self.path, self.complete(fingerprint), self.fingerprint)
        for entry in entries:
            self._entries.setdefault(_key(entry), entry)
        self._file.truncate(self._size)

    def _append(self, text: str) -> None:
        line = text.encode() + b"\n"
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise SearchError(
                f"history {self.path} cannot be written: {error.strerror}; its {len(self._entries)} results are safe, "
                "and the same search goes on from them once there is room"
            ) from error
        self._size += len(line)


def read_history(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[HistoryEntry]]:
    """Fingerprint and entries of a history, of every share, read only; a torn last line is left out.

    Raises:
        SearchError: It cannot be read, is damaged, or is no history.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SearchError(f"history {path} cannot be read: {error.strerror}") from error
    fingerprint, entries, _ = _parse(Path(path), content)
    return fingerprint, entries


def _key(entry: HistoryEntry) -> tuple[Arch, float]:
    return entry.evaluated.arch, entry.evaluated.share


def _strict_number(value: float) -> float | str:
    """JSON has no NaN or infinity; they go in as text, which float() reads back."""
    return value if math.isfinite(value) else str(value)


def _is_torn_header(content: bytes) -> bool:
    """Nothing was written, or less than the header line."""
    return b"\n" not in content and _HEADER_START.startswith(content[: len(_HEADER_START)])


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _parse(path: Path, content: bytes, check: Check | None = None) -> tuple[dict[str, Any], list[HistoryEntry], int]:
    """Fingerprint, entries, and the number of bytes that hold them."""
    whole, newline, _torn = content.rpartition(b"\n")
    header, *lines = whole.split(b"\n")
    try:
        fields = json.loads(header)
        if fields["format"] != _FORMAT:
            raise ValueError
        fingerprint = dict(fields["fingerprint"])
    except _NO_RECORD:
        raise SearchError(f"{path} does not start like a search history; delete or rename it to search anew") from None
    entries = []
    for number, line in enumerate(lines, start=2):
        try:
            entry = HistoryEntry.from_json(line)
            if check:
                check(entry.evaluated)
        except _NO_RECORD as error:
            raise SearchError(
                f"history {path}, line {number} is damaged ({error!s:.200}); delete that line to evaluate its subnet "
                "again, or delete or rename the file to search anew"
            ) from None
        entries.append(entry)
    return fingerprint, entries, len(whole) + len(newline)


def _check_fingerprint(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    old, new = flat(found), flat(wanted)
    keys = [key for key in [*new, *(key for key in old if key not in new)] if old.get(key) != new.get(key)]
    if keys:
        differences = "; ".join(f"{key} was {_show(old, key)}, is {_show(new, key)}" for key in keys)
        raise SearchError(
            f"history {path} belongs to another search: {differences}. Put these back, or delete the file, or "
            "give it another file name to keep it, to search anew"
        )


def _show(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "absent"
