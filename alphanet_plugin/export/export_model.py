"""Exporting a model: written beside its place, read again by a fresh process, compared, put in place."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..atomic import atomic_file
from ..errors import ExportError
from ..models import fuse
from .describe import describe
from .formats import FORMATS
from .read_back import read_back

CHECKED_BATCHES = (1, 3)
_TRACED_BATCH = 2  # not among the checked ones


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        input_size: (C, H, W) of its images; the batch is free.
        description: What the file says of itself.
        difference: Largest difference of its logits from torch's, relative to the largest logit.
    """

    path: Path
    input_size: tuple[int, int, int]
    description: dict[str, str]
    difference: float


def export_model(
    model: nn.Module, path: Path, file_format: str = "onnx", *, fused: bool = True, tolerance: float = 1e-4
) -> Exported:
    """Write `model` to a file that runs without this package, for any number of images at the model's input size.

    The file is put in place only if a fresh process that reads it (by onnxruntime for ONNX) gives the logits of `model`
    in torch, for two batches of other sizes than the one it was traced with.

    Args:
        model: A timm model, in either mode; it is left as it is. What is exported computes in float32 on the CPU.
        path: The file; what stood there is replaced.
        file_format: A key of `FORMATS`: "onnx" or "pt2".
        fused: Whether BatchNorm is folded and weights are channels_last, as by `alphanet_plugin.fuse`.
        tolerance: Largest difference that is accepted, relative to the largest logit.

    Raises:
        ExportError: A package is missing, torch cannot export the model, or the file does not give torch's logits.
    """
    if file_format not in FORMATS:
        raise ExportError(f"no export format {file_format!r}: give one of {', '.join(FORMATS)}")
    written = FORMATS[file_format]
    written.require()
    model = copy.deepcopy(model).cpu().float().eval()
    description = describe(model)
    size = _input_size(model)
    program = _export(fuse(model) if fused else model, size)
    images = {f"batch_{batch}": _images(batch, size) for batch in CHECKED_BATCHES}
    with torch.no_grad():
        expected = {name: model(batch).numpy() for name, batch in images.items()}
    with atomic_file(path) as beside:
        try:
            written.write(program, description, beside)
        except Exception as error:
            raise _failed(model, f"to {file_format}", error) from error
        found = read_back(beside, written, {name: batch.numpy() for name, batch in images.items()})
        # numpy's maximum, as Python's would lose a NaN
        difference = float(np.max([_difference(found[name], expected[name]) for name in images]))
        if not difference <= tolerance:
            raise ExportError(
                f"{path} is not written: its logits by {written.reads_with} differ from torch's by {difference:.1e} of "
                f"the largest, and {tolerance:.1e} is accepted"
            )
    return Exported(path=path, input_size=size, description=description, difference=difference)


def _input_size(model: Any) -> tuple[int, int, int]:
    channels, height, width = model.pretrained_cfg["input_size"]
    return getattr(model, "in_chans", channels), height, width


def _images(batch: int, size: tuple[int, int, int]) -> torch.Tensor:
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(batch))


def _export(model: nn.Module, size: tuple[int, int, int]) -> torch.export.ExportedProgram:
    free = {0: torch.export.Dim("batch")}
    try:
        return torch.export.export(model, (_images(_TRACED_BATCH, size),), dynamic_shapes=(free,))
    except Exception as error:
        raise _failed(model, "with a free batch", error) from error


def _failed(model: nn.Module, how: str, error: Exception) -> ExportError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ExportError(f"torch cannot export {type(model).__name__} {how}: {reason}")


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference relative to the largest expected value; infinite where the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))
