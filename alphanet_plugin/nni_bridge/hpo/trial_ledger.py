"""The trials of a search and their results, one folder each: what outlives NNI's experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...atomic import write_text
from ...errors import SearchError

_PARAMETERS = "parameters.json"
_RESULT = "result.json"
METRIC = "default"  # as NNI calls what trials are compared by


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: Counted from 0 in the order in which they were handed out.
        folder: Its own.
        parameters: What it was given.
        result: Its figures, with ``default`` among them; None while it has not ended.
    """

    number: int
    folder: Path
    parameters: Mapping[str, Any]
    result: Mapping[str, Any] | None


class TrialLedger:
    """The trials below one folder, ``0000/``, ``0001/`` and so on.

    A trial is written down before it is handed out and its result before anyone is told, so that whatever is killed, a
    search goes on from here: results are not measured again, and a trial without one is handed out once more, with its
    checkpoints in its folder.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def trials(self) -> list[Trial]:
        """All that were handed out, in order.

        Raises:
            SearchError: A file is damaged.
        """
        files = sorted(self.folder.glob(f"[0-9]*/{_PARAMETERS}"))
        return [self._read(file.parent) for file in files]

    def ended(self) -> list[Trial]:
        """Those with a result."""
        return [trial for trial in self.trials() if trial.result is not None]

    def add(self, parameters: Mapping[str, Any]) -> Trial:
        """Write down a trial that is about to be handed out."""
        known = self.trials()
        number = known[-1].number + 1 if known else 0
        folder = self.folder / f"{number:04d}"
        _write(folder / _PARAMETERS, parameters)
        return Trial(number, folder, dict(parameters), None)

    def end(self, number: int, result: Mapping[str, Any]) -> None:
        """Write down the result of a trial; the first one counts.

        Raises:
            SearchError: There is no such trial.
        """
        trial = self[number]
        if trial.result is None:
            _write(trial.folder / _RESULT, result)

    def __getitem__(self, number: int) -> Trial:
        folder = self.folder / f"{number:04d}"
        if not (folder / _PARAMETERS).is_file():
            raise SearchError(f"there is no trial {number} in {self.folder}")
        return self._read(folder)

    def _read(self, folder: Path) -> Trial:
        result = folder / _RESULT
        return Trial(int(folder.name), folder, _load(folder / _PARAMETERS), _load(result) if result.is_file() else None)


def _write(path: Path, values: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(dict(values), indent=1) + "\n")


def _load(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SearchError(f"cannot read {path}: {error}; delete {path.parent} to have that trial done anew") from error
    if not isinstance(values, dict):
        raise SearchError(f"{path} is no trial's; delete {path.parent} to have that trial done anew")
    return values
