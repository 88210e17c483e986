"""Which images of a data set train and which are held out, as a run writes it down when it begins."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..atomic import write_text
from ..errors import DataError, few
from .image_subset import ImageSource, Indices, stratified_holdout

_FORMAT = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SplitRecord:
    """Names of images by what they are used for.

    Attributes:
        data: Name of the data set.
        class_names: In the order of the labels.
        train: Images that train, by name.
        search: Images held out for searching, by name.
        stamps: By name, what another image of that name would not have; see `ImageSource.stamp`.
    """

    data: str
    class_names: tuple[str, ...]
    train: tuple[str, ...]
    search: tuple[str, ...]
    stamps: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 of all but the stamps."""
        values = [self.data, list(self.class_names), list(self.train), list(self.search)]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()

    def write(self, path: Path, source: ImageSource) -> None:
        """As JSON, whole or not at all, with the stamps that the images have now."""
        place = {name: number for number, name in enumerate(source.names)}
        values: dict[str, Any] = {
            "format": _FORMAT,
            "digest": self.digest,
            "data": self.data,
            "class_names": self.class_names,
        }
        for part in ("train", "search"):
            values[part] = {name: source.stamp(place[name]) for name in getattr(self, part)}
        write_text(path, json.dumps(values, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> SplitRecord:
        """What `write` wrote.

        Raises:
            DataError: The file is not there, or damaged.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            record = _record_of(values)
            whole = values["digest"] == record.digest and not set(record.train) & set(record.search)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{path} cannot be read ({type(error).__name__}: {error}); {_WAYS_OUT}") from error
        if not whole:
            raise DataError(f"{path} is not as the run wrote it; {_WAYS_OUT}")
        return record

    def positions(self, source: ImageSource, *, accept: bool = False) -> tuple[Indices, Indices]:
        """Positions in `source` of the images that (train, are held out).

        What is in the files is looked at by the main rank alone, their names by all.

        Args:
            source: The data set's training images now.
            accept: True to go on with the images that are still there, and without new ones.

        Raises:
            DataError: Images went, came or changed, and `accept` is False; or the classes are others.
        """
        if source.class_names != self.class_names:
            raise DataError(f"{self._data(source)} has other classes than when the run began: {self._classes(source)}")
        place = {name: number for number, name in enumerate(source.names)}
        begun = {*self.train, *self.search}
        kinds = {
            "gone": [name for name in (*self.train, *self.search) if name not in place],
            "new": [name for name in source.names if name not in begun],
            "changed": self._changed(source, place) if _is_main() else [],
        }
        changes = ", ".join(f"{len(names)} {kind} ({few(names, 3)})" for kind, names in kinds.items() if names)
        if changes and not accept:
            raise DataError(
                f"{self._data(source)} is not as it was when the run began: {changes}; put the images back as they "
                "were, or go on with those that are left and without new ones by --set data.on_change=accept (what was "
                "held out stays held out)"
            )
        if changes and _is_main():
            logger.warning("%s: going on with %s, as data.on_change says", self._data(source), changes)
        train, search = (
            np.asarray([place[name] for name in part if name in place], dtype=np.int64)
            for part in (self.train, self.search)
        )
        return train, search

    def changes(self, source: ImageSource) -> str | None:
        """A digest of which images are gone or changed since they were written down; None where none is.

        New ones do not count, since nothing uses them.
        """
        place = {name: number for number, name in enumerate(source.names)}
        gone = [name for name in (*self.train, *self.search) if name not in place]
        changed = {name: source.stamp(place[name]) for name in self._changed(source, place)}
        if not gone and not changed:
            return None
        return hashlib.sha256(json.dumps([gone, changed]).encode()).hexdigest()[:16]

    def _changed(self, source: ImageSource, place: Mapping[str, int]) -> list[str]:
        here = ((name, place[name]) for name in (*self.train, *self.search) if name in place)
        return [name for name, number in here if self.stamps.get(name) != source.stamp(number)]

    def _data(self, source: Any) -> str:
        return f"data {self.data!r}" + (f" in {source.folder}" if hasattr(source, "folder") else "")

    def _classes(self, source: ImageSource) -> str:
        gone = [name for name in self.class_names if name not in source.class_names]
        new = [name for name in source.class_names if name not in self.class_names]
        parts = [f"{few(names, 3)} {word}" for names, word in ((gone, "gone"), (new, "new")) if names]
        return f"{', '.join(parts) or 'the same in another order'}; put them back, or train anew in another output"


def divide(
    source: ImageSource,
    data: str,
    *,
    count: int,
    seed: int,
    by_name: bool = False,
    record: SplitRecord | None = None,
    accept: bool = False,
) -> tuple[Indices, Indices, SplitRecord]:
    """Positions in `source` of the images that (train, are held out), and the record of that.

    Args:
        source: The data set's training images.
        data: Name of the data set.
        count: How many to hold out, where there is no record.
        seed: Chooses them.
        by_name: Whether by their names; see `stratified_holdout`.
        record: What a run wrote down when it began.
        accept: See `SplitRecord.positions`.
    """
    if record is not None:
        return *record.positions(source, accept=accept), record
    train, search = stratified_holdout(source.labels, count, seed, source.names if by_name else None)
    kept, held = (tuple(source.names[place] for place in places) for places in (train, search))
    return train, search, SplitRecord(data=data, class_names=source.class_names, train=kept, search=held)


def _is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"


_WAYS_OUT = "put the file back from a copy, or train anew in another output: it says which images were held out"


def _record_of(values: Any) -> SplitRecord:
    if values["format"] != _FORMAT:
        raise ValueError(f"format {values['format']} is not known")
    parts = {name: cast(dict[str, str], values[name]) for name in ("train", "search")}
    return SplitRecord(
        data=str(values["data"]),
        class_names=tuple(values["class_names"]),
        stamps={name: stamp for part in parts.values() for name, stamp in part.items()},
        **{name: tuple(part) for name, part in parts.items()},
    )
