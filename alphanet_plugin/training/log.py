"""The log that every run writes: one JSON object a line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..errors import CheckpointError, file_named


class JsonLinesLog:
    """Append records with a ``step``; a resumed run takes back those of steps that it will do again.

    Args:
        path: The file; created with the first record.
    """

    def __init__(self, path: Path):
        self.path = path

    def write(self, record: dict[str, Any]) -> None:
        """Append one line and hand it to the operating system."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with file_named(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def rewind(self, step: int) -> None:
        """Drop records of `step` and later, and a last line that a killed run left unfinished.

        Raises:
            CheckpointError: A line is no record.
        """
        if not self.path.exists():
            return
        kept = [record for record in self.read() if record["step"] < step]
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))

    def read(self) -> list[dict[str, Any]]:
        """All whole records; a last line that a killed run left unfinished is none.

        Raises:
            CheckpointError: A line is no record.
        """
        whole, newline, torn = self.path.read_bytes().rpartition(b"\n")
        lines = whole.split(b"\n") if newline else []
        records = [self._parse(line, number) for number, line in enumerate(lines, start=1)]
        try:
            return [*records, self._parse(torn, len(lines) + 1)] if torn else records
        except CheckpointError:
            return records

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record = json.loads(line)
            step, loss = record["step"], record.get("loss", 0.0)
            if type(step) is not int or step < 0 or not math.isfinite(loss):
                raise ValueError
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise CheckpointError(
                f"{self.path}, line {number} is no record of a step: {line[:80]!r}; delete that line (nothing but "
                "reports reads them)"
            ) from None
        return record
