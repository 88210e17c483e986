"""ONNX files quantised to 8 bits, with what that changes in accuracy and time."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..atomic import atomic_file
from ..data import preparation_of
from ..data.folder import open_class_folders
from ..data.image_subset import ImageSubset
from ..errors import AlphaNetError, ExportError, one_line
from .export_model import export_model

CALIBRATION_IMAGES = 256
_BATCH = 32
_TURNS = 21


@dataclass(frozen=True, kw_only=True)
class Int8Figures:
    """What quantising changed; stands as JSON in the file's ``int8``.

    Attributes:
        calibration_images: How many images the ranges of activations were taken from.
        float_ms: Median milliseconds of one image by onnxruntime in float32, on this machine.
        int8_ms: The same of the quantised file, measured by turns with it.
        threads: Threads of onnxruntime.
        float_top1: Top-1 accuracy in per cent in float32; None where no images of the model's classes are given.
        int8_top1: The same of the quantised file.
        images: Images that the accuracies are of.
    """

    calibration_images: int
    float_ms: float
    int8_ms: float
    threads: int
    float_top1: float | None
    int8_top1: float | None
    images: int


def export_int8(
    model: nn.Module,
    path: Path,
    calibrate: Path,
    evaluate: Path | None = None,
    *,
    calibration_images: int = CALIBRATION_IMAGES,
    fused: bool = True,
    tolerance: float = 1e-4,
    opset: int | None = None,
) -> Int8Figures:
    """Write `model` as ONNX with 8-bit weights (a scale for each channel) and activations, by onnxruntime's static way.

    The float file is exported and checked first, as by `export_model`. Weights take 7 of the 8 bits, as onnxruntime
    advises for processors without VNNI, whose 16-bit sums would overflow.

    Args:
        model: A timm model with a classifier.
        path: The file.
        calibrate: Class folders, from whose images the ranges of activations are taken, prepared as the model's cfg
            says.
        evaluate: Class folders to measure accuracy on; None for those of `calibrate`, if they are the model's classes.
        calibration_images: How many images are taken at most, evenly spread over the folder.
        fused: As of `export_model`.
        tolerance: As of `export_model`, for the float file.
        opset: As of `export_model`; at least 13, from which on a weight has a scale for each channel.

    Raises:
        ExportError: As of `export_model`, or the images of `evaluate` are not of the model's classes.
    """
    if opset is not None and opset < 13:
        raise ExportError(f"8-bit weights with a scale for each channel need opset 13 or later, not {opset}")
    images = _open(calibrate, model)
    measured = _measured_images(model, images, evaluate)
    chosen = np.unique(np.linspace(0, len(images) - 1, min(calibration_images, len(images))).round().astype(int))
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        exported = export_model(model, plain, fused=fused, tolerance=tolerance, opset=opset)
        try:
            _quantise(plain, small, ImageSubset(images.source, images.positions[chosen], images.transform))
            runs = [_session(file) for file in (plain, small)]
        except AlphaNetError:  # an image that cannot be read
            raise
        except Exception as error:  # onnxruntime's have no class in common
            advice = "" if opset is None else "; give a lower --opset, or none for the exporter's own"
            raise ExportError(f"onnxruntime cannot write or run 8 bits: {one_line(error, 200)}{advice}") from error
        float_ms, int8_ms = _latencies(runs, exported.input_size)
        top1 = [None, None] if measured is None else [_top1(run, measured) for run in runs]
        figures = Int8Figures(
            calibration_images=len(chosen),
            float_ms=float_ms,
            int8_ms=int8_ms,
            threads=torch.get_num_threads(),
            float_top1=top1[0],
            int8_top1=top1[1],
            images=0 if measured is None else len(measured),
        )
        _save(small, path, {**exported.description, "int8": json.dumps(asdict(figures))})
    return figures


def _open(folder: Path, model: Any) -> ImageSubset:
    """The images of class folders, prepared as the model's cfg says."""
    if not folder.is_dir():
        raise ExportError(f"{folder} is no folder; give one that holds a folder of images for each class")
    source = open_class_folders(folder)
    return ImageSubset(source, np.arange(len(source.labels)), preparation_of(model).transform())


def _measured_images(model: Any, images: ImageSubset, evaluate: Path | None) -> ImageSubset | None:
    """The images to measure accuracy on, or None where those at hand are not of the model's classes."""
    measured = images if evaluate is None else _open(evaluate, model)
    names = measured.source.class_names
    known = model.pretrained_cfg.get("label_names")
    same = tuple(known) == names if known else len(names) == model.num_classes
    if not same and evaluate is not None:
        raise ExportError(
            f"the class folders of {evaluate} are not the model's classes; give images of those, or leave it out"
        )
    return measured if same else None


def _quantise(plain: Path, small: Path, images: ImageSubset) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = _batches(images)

        def get_next(self) -> Any:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch[0]}

    prepared = plain.with_name("prepared.onnx")
    quant_pre_process(plain, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared, small, Images(), per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )  # fmt: skip


def _batches(images: ImageSubset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(images (B, C, H, W), labels (B,)) in order."""
    for first in range(0, len(images), _BATCH):
        pairs = [images[index] for index in range(first, min(first + _BATCH, len(images)))]
        yield torch.stack([image for image, _ in pairs]).numpy(), np.array([label for _, label in pairs])


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _top1(session: Any, images: ImageSubset) -> float:
    """Top-1 accuracy in per cent."""
    hits = 0
    for batch, labels in _batches(images):
        (logits,) = session.run(["logits"], {"images": batch})
        hits += int((logits.argmax(1) == labels).sum())
    return 100.0 * hits / len(images)


def _latencies(sessions: list[Any], size: tuple[int, int, int]) -> list[float]:
    """Median milliseconds of one image by each session, by turns; the first turn is not counted."""
    image = {"images": np.random.default_rng(0).standard_normal((1, *size), dtype=np.float32)}
    taken: list[list[float]] = [[] for _ in sessions]
    for _ in range(_TURNS + 1):
        for times, session in zip(taken, sessions, strict=True):
            start = time.perf_counter()
            session.run(["logits"], image)
            times.append((time.perf_counter() - start) * 1e3)
    return [statistics.median(times[1:]) for times in taken]


def _save(small: Path, path: Path, description: dict[str, str]) -> None:
    import onnx

    written = onnx.load(str(small))
    onnx.helper.set_model_props(written, description)
    with atomic_file(path) as beside:
        onnx.save(written, str(beside))
