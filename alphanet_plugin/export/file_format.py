"""What a format of exported files is."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch

from ..errors import ExportError, how_to_install


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names in a file.

    Attributes:
        free: Names of the images' free dimensions by their number.
        outputs: Names of the outputs.
    """

    free: Mapping[int, str] = field(default_factory=lambda: {0: "batch"})
    outputs: tuple[str, ...] = ("logits",)


class FileFormat(ABC):
    """A way to write an exported program to a file, and a program that runs such a file by itself.

    Attributes:
        packages: Optional packages that writing or reading needs.
        reader: File name, in this folder, of a program that is called with the file, with images, and with a path for
            the outputs (both .npz; the first output by the images' name, those after it by NAME.1 and so on). It must
            run without this package.
        reads_with: What the reader runs the file with, for people.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    reader: ClassVar[str]
    reads_with: ClassVar[str]

    @abstractmethod
    def write(
        self,
        program: torch.export.ExportedProgram,
        description: Mapping[str, str],
        path: Path,
        layout: Layout | None = None,
        opset: int | None = None,
    ) -> None:
        """Write `program`, which takes images (B, C, H, W), with `description` among the file's metadata.

        Args:
            program: What torch.export made.
            description: Facts by name.
            path: The file.
            layout: Which dimensions of the images are free, and the outputs' names; the batch and logits by default.
            opset: The ONNX operator set; None for the exporter's own. Other formats take None alone.
        """

    def require(self) -> None:
        """ExportError where an optional package is missing; it says what to install."""
        missing = [package for package in self.packages if not _is_there(package)]
        if missing:
            raise ExportError(
                f"this export needs {' and '.join(missing)}, which cannot be imported: "
                + how_to_install(*missing, extra="export")
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
