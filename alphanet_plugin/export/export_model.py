"""Exporting a model: written beside its place, read again by a fresh process, compared, put in place."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..atomic import atomic_file
from ..data import preparation_of
from ..errors import ExportError
from ..models import fuse
from .file_format import (
    OLDEST_PROGRAM_OPSET,
    FileFormat,
    Layout,
    OnnxFormat,
    Pt2Format,
    opsets_that_work,
    require_opset,
)

FORMATS: dict[str, FileFormat] = {"onnx": OnnxFormat(), "pt2": Pt2Format()}
"""By name; the name is also the files' suffix."""
CHECKED_BATCHES = (1, 3)
CHECKED_SCALES = ((1.3, 1.0), (1.0, 0.8), (1.55, 1.7))  # of height and width, where they are free
_TRACED_BATCH = 2  # not among the checked ones


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        input_size: (C, H, W) of its images; the batch is free, and with `free_size` the sides are.
        outputs: Names of what it gives: logits, or of a backbone features at each level.
        free_size: Whether it takes images of other sides.
        description: What the file says of itself.
        difference: Largest difference of an output from torch's, relative to its largest value.
    """

    path: Path
    input_size: tuple[int, int, int]
    outputs: tuple[str, ...]
    free_size: bool
    description: dict[str, str]
    difference: float


def export_model(
    model: nn.Module,
    path: Path,
    file_format: str = "onnx",
    *,
    fused: bool = True,
    tolerance: float = 1e-4,
    free_size: bool = False,
    opset: int | None = None,
) -> Exported:
    """Write `model` to a file that runs without this package, for any number of images.

    They have the size that the model's cfg names, for testing where it does.

    The file is put in place only if a fresh process that reads it (by onnxruntime for ONNX) gives the outputs of
    `model` in torch, for two batches of other sizes than the one it was traced with, and with `free_size` for three
    other sizes of images.

    Args:
        model: A timm model or ``features_only`` backbone, in either mode; it is left as it is. What is exported
            computes in float32 on the CPU.
        path: The file; what stood there is replaced.
        file_format: A key of `FORMATS`: "onnx" or "pt2".
        fused: Whether BatchNorm is folded and weights are channels_last, as by `alphanet_plugin.fuse`.
        tolerance: Largest difference that is accepted, relative to the largest value of an output.
        free_size: Whether height and width of the images are free too.
        opset: Of ONNX: the operator set; None for what torch's exporter takes. Below 18 (17 for TensorRT 8) torch's
            older exporter writes the file.

    Raises:
        ExportError: A package is missing, the path is a folder, torch cannot export the model, or the file does not
            give torch's outputs.
    """
    if file_format not in FORMATS:
        raise ExportError(f"no export format {file_format!r}: give one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise ExportError(f"{path} is a folder; give a file's path")
    written = FORMATS[file_format]
    written.require()
    if opset is not None and isinstance(written, OnnxFormat):
        require_opset(opset)
    model = copy.deepcopy(model).cpu().float().eval()
    description = describe(model)
    size = _input_size(model)
    images = _checked_images(size, free_size)
    expected = _expected(model, images)
    outputs = _output_names(sum(name.split(".")[0] == "batch_1" for name in expected), model)
    layout = Layout(free={0: "batch", 2: "height", 3: "width"} if free_size else {0: "batch"}, outputs=outputs)
    with atomic_file(path) as beside:
        _write(fuse(model) if fused else model, size, written, file_format, description, beside, layout, opset)
        found = read_back(beside, written, {name: batch.numpy() for name, batch in images.items()})
        # numpy's maximum, as Python's would lose a NaN
        difference = float(np.max([_difference(found[name], expected[name]) for name in expected]))
        if not difference <= tolerance:
            what = "logits" if outputs == ("logits",) else "features"
            raise ExportError(
                f"{path} is not written: its {what} by {written.reads_with} differ from torch's by {difference:.1e} of "
                f"the largest, and {tolerance:.1e} is accepted"
            )
    return Exported(
        path=path,
        input_size=size,
        outputs=outputs,
        free_size=free_size,
        description=description,
        difference=difference,
    )


def _checked_images(size: tuple[int, int, int], free_size: bool) -> dict[str, torch.Tensor]:
    images = {f"batch_{batch}": _images(batch, size) for batch in CHECKED_BATCHES}
    channels, height, width = size
    for number, (tall, wide) in enumerate(CHECKED_SCALES if free_size else ()):
        images[f"size_{number}"] = _images(1, (channels, round(height * tall), round(width * wide)))
    return images


@torch.no_grad()
def _expected(model: nn.Module, images: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """What `model` gives for each batch, as the readers name it."""
    expected: dict[str, np.ndarray] = {}
    for name, batch in images.items():
        try:
            expected.update(_named(name, model(batch)))
        except Exception as error:  # of a network that is made for one size, or for one number of images
            height, width = batch.shape[2:]
            how = f"for {len(batch)} images of {height} x {width} pixels, which it does not take"
            raise _failed(model, how if name.startswith("size") else "with a free batch", error) from error
    return expected


def _named(name: str, outputs: Any) -> dict[str, np.ndarray]:
    """Outputs as the readers name them."""
    values = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    return {f"{name}.{number}" if number else name: value.numpy() for number, value in enumerate(values)}


def _output_names(count: int, model: Any) -> tuple[str, ...]:
    if hasattr(model, "num_classes") or count == 1:
        return ("logits",)
    return tuple(f"features_{number}" for number in range(count))


def _write(
    model: nn.Module,
    size: tuple[int, int, int],
    written: FileFormat,
    file_format: str,
    description: dict[str, str],
    path: Path,
    layout: Layout,
    opset: int | None,
) -> None:
    older = opset is not None and opset < OLDEST_PROGRAM_OPSET and isinstance(written, OnnxFormat)
    program = None if older else _export(model, size, layout)
    try:
        if isinstance(written, OnnxFormat) and opset is not None and program is None:
            written.write_older(model, _images(_TRACED_BATCH, size), description, path, layout, opset)
        elif program is not None:
            written.write(program, description, path, layout, opset)
    except ExportError:
        raise
    except Exception as error:
        failed = _failed(model, f"to {file_format}" + (f" at opset {opset}" if opset else ""), error)
        raise (ExportError(f"{str(failed).rstrip('.')}; {opsets_that_work()}") if opset else failed) from error


def _input_size(model: Any) -> tuple[int, int, int]:
    channels, height, width = preparation_of(model).input_size
    return getattr(model, "in_chans", channels), height, width


def _images(batch: int, size: tuple[int, int, int]) -> torch.Tensor:
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(batch))


def _export(model: nn.Module, size: tuple[int, int, int], layout: Layout) -> torch.export.ExportedProgram:
    free = {dim: torch.export.Dim(name) if dim == 0 else torch.export.Dim.DYNAMIC for dim, name in layout.free.items()}
    try:
        return torch.export.export(model, (_images(_TRACED_BATCH, size),), dynamic_shapes=(free,))
    except Exception as error:
        raise _failed(model, f"with a free {', '.join(layout.free.values())}", error) from error


def _failed(model: nn.Module, how: str, error: Exception) -> ExportError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].partition("[Caused by")[0].strip()
    return ExportError(f"torch cannot export {type(model).__name__} {how}: {reason}")


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference relative to the largest expected value; infinite where the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))


def describe(model: Any) -> dict[str, str]:
    """Facts by name, each as text; what is no text is JSON.

    Args:
        model: A timm model.

    Returns:
        ``architecture``, ``tag``, ``arch`` (of an AlphaNet), ``license``, ``num_classes`` and ``class_names`` (JSON,
        in the order of the logits), where they are known; of a ``features_only`` backbone ``feature_channels`` and
        ``feature_reductions`` (JSON, in the order of its outputs) instead; and of the images ``input_size`` (JSON:
        channels, height, width), ``mean``, ``std``, ``interpolation``, ``crop_pct``, ``crop_mode``, and how they go in
        (``input``): those of testing where the model's cfg has such, as `alphanet evaluate` measures it.
    """
    cfg = model.pretrained_cfg
    known = {
        **{name: cfg.get(name) for name in ("architecture", "tag", "license")},
        "arch": str(model.arch) if hasattr(model, "arch") else None,
        **_outputs(model),
        **vars(preparation_of(model)),
        "input": "float32 NCHW, RGB / 255, minus mean, over std",
    }
    return {name: _text(value) for name, value in known.items() if value not in (None, "")}


def _outputs(model: Any) -> dict[str, Any]:
    if not hasattr(model, "num_classes"):  # a backbone, as timm makes it
        info = model.feature_info
        return {"feature_channels": info.channels(), "feature_reductions": info.reduction()}
    return {"num_classes": model.num_classes, "class_names": _class_names(model)}


def _class_names(model: Any) -> Any:
    """Names of the classes, where they are those of the classifier that the model has now."""
    names = model.pretrained_cfg.get("label_names")
    return list(names) if isinstance(names, (list, tuple)) and len(names) == model.num_classes else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def read_back(file: Path, file_format: FileFormat, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run `file` on each batch of `images`, in a process that knows nothing but the file.

    Args:
        file: What was written.
        file_format: Its format.
        images: float32 (B, C, H, W) by a name.

    Returns:
        The logits by the same names.

    Raises:
        ExportError: The process failed; its last words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "images.npz", Path(folder) / "logits.npz"
        np.savez(given, **images)  # pyright: ignore[reportArgumentType]  # numpy's stub mixes up its own option
        # As text, since a program's own folder would come first among those that it imports from.
        command = [sys.executable, "-c", file_format.reader_source(), str(file.absolute()), str(given), str(answer)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise ExportError(f"a fresh process cannot run the file with {file_format.reads_with}: {words}")
        with np.load(answer) as logits:
            return {name: logits[name] for name in logits}
