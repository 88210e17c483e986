"""The log that every run writes: one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..atomic import atomic_file


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
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def rewind(self, step: int) -> None:
        """Drop records of `step` and later, and a last line that a killed run left unfinished."""
        if not self.path.exists():
            return
        kept = [record for record in self.read() if record["step"] < step]
        with atomic_file(self.path) as beside:
            beside.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")

    def read(self) -> list[dict[str, Any]]:
        """All whole records."""
        records = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
        return records
