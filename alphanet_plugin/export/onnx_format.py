"""ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from .file_format import FileFormat


class OnnxFormat(FileFormat):
    """One ``.onnx`` file: input ``images`` (batch, C, H, W), output ``logits``, facts in ``metadata_props``."""

    packages = ("onnx", "onnxscript", "onnxruntime")
    reader = "read_onnx.py"
    reads_with = "onnxruntime"

    def write(self, program: torch.export.ExportedProgram, description: Mapping[str, str], path: Path) -> None:
        exported = torch.onnx.export(
            program,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),  # the dimension's name in the file
            dynamo=True,
            verbose=False,
        )
        assert exported is not None
        exported.model.metadata_props.update(description)
        exported.save(path, external_data=False)
