"""What a format of exported files is."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch

from ..errors import ExportError


class FileFormat(ABC):
    """A way to write an exported program to a file, and a program that runs such a file by itself.

    Attributes:
        packages: Optional packages that writing or reading needs.
        reader: File name, in this folder, of a program that is called with the file, with images, and with a path for
            the logits (both .npz, the arrays by the same names). It must run without this package.
        reads_with: What the reader runs the file with, for people.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    reader: ClassVar[str]
    reads_with: ClassVar[str]

    @abstractmethod
    def write(self, program: torch.export.ExportedProgram, description: Mapping[str, str], path: Path) -> None:
        """Write `program`, which takes images (B, C, H, W) for any B, with `description` among the file's metadata."""

    def require(self) -> None:
        """ExportError where an optional package is missing; it says what to install."""
        missing = [package for package in self.packages if not _is_there(package)]
        if missing:
            raise ExportError(
                f"this export needs {' and '.join(missing)}, which cannot be imported: pip install {' '.join(missing)}"
            )

    def reader_source(self) -> str:
        """The reader's program."""
        return Path(__file__).with_name(self.reader).read_text(encoding="utf-8")


def _is_there(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True
