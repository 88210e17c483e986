"""``result.json`` of a run: what is known of it so far."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..config import differences
from ..errors import InUseError, StudyError
from ..owner import owned


class CellFile:
    """What a run has yielded, written anew, whole or not at all, with each part that comes.

    Args:
        folder: The run's folder.
        identity: What the run's weights depend on, JSON values; None for whatever the file says.
        complete: Fills up an identity that was kept when configurations had fewer keys.

    Attributes:
        parts: Name of a part -> JSON values.

    Raises:
        StudyError: The file is damaged, or is that of another run.
    """

    def __init__(
        self, folder: Path, identity: dict[str, Any] | None, complete: Callable[[dict[str, Any]], dict[str, Any]] = dict
    ):
        self.folder = folder
        self.complete = complete
        self.identity = json.loads(json.dumps(identity))
        self.parts: dict[str, Any] = {}
        self.read()

    @property
    def path(self) -> Path:
        return self.folder / "result.json"

    def write(self, **parts: Any) -> None:
        """Add parts, or replace them."""
        self.parts.update(parts)
        content = {"identity": self.identity, "parts": self.parts}
        write_text(self.path, json.dumps(content, indent=1))

    def read(self) -> None:
        """Look again at what is there."""
        if not self.path.is_file():
            return
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            identity, self.parts = content["identity"], dict(content["parts"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudyError(f"cannot read {self.path}: {error}; delete {self.folder} to make its run anew") from error
        if self.identity is None:
            self.identity = identity
        elif changed := differences(self.complete(identity), self.identity):
            raise StudyError(
                f"{self.path} is of a run with other values of {', '.join(changed)}; delete {self.folder}, "
                "or give the study another `runs` folder"
            )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from the run in `folder`; the lock goes with the process that holds it.

    Raises:
        StudyError: Another process is at this run.
    """
    try:
        with owned(folder / ".lock", f"the run in {folder}"):
            yield
    except InUseError as error:
        raise StudyError(f"another process is at the run in {folder}: {error}; run the study again then") from None
