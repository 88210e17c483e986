"""torch.export's own files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from ..errors import ExportError
from .file_format import FileFormat, Layout


class Pt2Format(FileFormat):
    """One ``.pt2`` file for `torch.export.load`; facts as JSON in its extra file ``model.json``."""

    reader = "read_pt2.py"
    reads_with = "torch.export.load"

    def write(
        self,
        program: torch.export.ExportedProgram,
        description: Mapping[str, str],
        path: Path,
        layout: Layout | None = None,  # noqa: ARG002
        opset: int | None = None,
    ) -> None:
        if opset is not None:
            raise ExportError(f"opset {opset} is ONNX's; a pt2 file has none, leave it out")
        with open(path, "wb") as file, warnings.catch_warnings():
            # torch says so of every weight that is channels_last, and keeps it well.
            warnings.filterwarnings("ignore", message="No complete tensor found in the group")
            torch.export.save(program, file, extra_files={"model.json": json.dumps(dict(description), indent=1)})
