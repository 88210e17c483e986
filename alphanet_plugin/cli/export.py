"""write a model as ONNX or pt2, checked against torch

alphanet export alphanet_a4.digits                        alphanet_a4.digits.onnx, for any number of images
alphanet export alphanet_a4.digits --format pt2           ... for torch.export.load
alphanet export FOLDER --output deployed.onnx             a published folder, wherever it lies
alphanet export resnet18 --no-pretrained --classes 10     any timm model
alphanet export alphanet_a4.digits --dynamic-size         images of any height and width too
alphanet export alphanet_a4.digits --opset 17             for TensorRT 8 and older onnxruntimes
alphanet export alphanet_a4.digits --features             the backbone: features at five strides instead of logits
alphanet export alphanet_a4.digits --int8 --calibrate DIR 8-bit weights and activations, their ranges from DIR/CLASS/*

The file is put in place only after a fresh process has read it and given torch's logits, at two batch sizes. ONNX needs
onnx, onnxscript and onnxruntime: pip install onnx onnxscript onnxruntime"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..data import preparation_of
from ..export import FORMATS, Exported, export_int8, export_model
from .options import load_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name for timm.create_model, or a published folder")
    parser.add_argument("--format", choices=tuple(FORMATS), default="onnx", help="default: onnx")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the model's name, here")
    parser.add_argument("--pretrained", action=argparse.BooleanOptionalAction, default=True, help="load its weights")
    parser.add_argument("--classes", type=int, metavar="N", help="with --no-pretrained: outputs of the classifier")
    parser.add_argument("--dynamic-size", action="store_true", help="leave height and width of the images free")
    parser.add_argument("--opset", type=int, metavar="N", help="of onnx: the operator set (default: torch's choice)")
    parser.add_argument("--int8", action="store_true", help="of onnx: 8 bits instead of float32, by onnxruntime")
    parser.add_argument("--calibrate", type=Path, metavar="DIR", help="of int8: class folders, for activations' ranges")
    parser.add_argument("--evaluate", type=Path, metavar="DIR", help="of int8: class folders to measure accuracy on")
    parser.add_argument("--features", action="store_true", help="the features at each stride instead of the logits")
    parser.add_argument(
        "--fuse", action=argparse.BooleanOptionalAction, default=True,
        help="fold BatchNorm into the convolutions, as alphanet_plugin.fuse does",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=float, default=1e-4, metavar="T",
        help="accepted difference from torch's logits, relative to the largest (default: 1e-4)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    FORMATS[arguments.format].require()  # before the model is loaded
    kind = f"int8.{arguments.format}" if arguments.int8 else arguments.format
    path = arguments.output or Path(f"{_file_name(arguments.model)}.{kind}")
    if path.is_dir():
        raise ValueError(f"--output {path} is a folder; give a file's path")
    if arguments.opset is not None and arguments.format != "onnx":
        raise ValueError(f"--opset goes with --format onnx, not {arguments.format}")
    _check_int8(arguments)
    model = _load(arguments)
    if arguments.int8:
        _export_int8(arguments, model, path)
        return
    exported = export_model(
        model, path, arguments.format, fused=arguments.fuse, tolerance=arguments.tolerance,
        free_size=arguments.dynamic_size, opset=arguments.opset,
    )  # fmt: skip
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {_shapes(exported, model)}")
    value = "value" if arguments.features else "logit"
    print(f"read again in a fresh process: differs from torch by {exported.difference:.1e} of the largest {value}")
    print(f"images are prepared as: {preparation_of(model)}")


def _check_int8(arguments: argparse.Namespace) -> None:
    if not arguments.int8:
        if arguments.calibrate or arguments.evaluate:
            raise ValueError("--calibrate and --evaluate go with --int8")
        return
    if arguments.format != "onnx" or arguments.features or arguments.dynamic_size:
        raise ValueError("--int8 is for onnx files with logits, at the model's image size")
    if arguments.calibrate is None:
        raise ValueError("--int8 needs --calibrate DIR, a folder of class folders with images like those to come")


def _export_int8(arguments: argparse.Namespace, model: Any, path: Path) -> None:
    figures = export_int8(
        model, path, arguments.calibrate, arguments.evaluate, fused=arguments.fuse, tolerance=arguments.tolerance,
        opset=arguments.opset,
    )  # fmt: skip
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, activations' ranges of {figures.calibration_images} images")
    print(
        f"one image by onnxruntime with {figures.threads} thread(s): {figures.float_ms:.2f} ms in float32, "
        f"{figures.int8_ms:.2f} ms in int8"
    )
    if figures.float_top1 is None:
        print("accuracy is not measured: the class folders are not the model's classes")
    else:
        top1 = f"{figures.float_top1:.2f} % in float32, {figures.int8_top1:.2f} % in int8"
        print(f"top-1 on {figures.images} images: {top1}")
    print(f"images are prepared as: {preparation_of(model)}")


def _shapes(exported: Exported, model: Any) -> str:
    channels, height, width = exported.input_size
    sides = "height, width" if exported.free_size else f"{height}, {width}"
    images = f"images (batch, {channels}, {sides})"
    if exported.outputs == ("logits",):
        return f"{images} to logits (batch, {model.num_classes})"
    levels = zip(exported.outputs, model.feature_info.channels(), model.feature_info.reduction(), strict=True)
    return f"{images} to " + ", ".join(f"{name} ({count} channels, stride {each})" for name, count, each in levels)


def _file_name(model: str) -> str:
    """``alphanet_a4.digits`` for that name, for the folder ``/some/alphanet_a4.digits``, and for a hub's."""
    if Path(model).is_dir():
        return Path(model).resolve().name
    return model.rstrip("/").replace(":", "/").rpartition("/")[2]


def _load(arguments: argparse.Namespace) -> Any:
    if arguments.classes is not None and (arguments.pretrained or arguments.classes < 1):
        raise ValueError("--classes takes a positive number and goes with --no-pretrained: weights bring their classes")
    if arguments.features and arguments.classes is not None:
        raise ValueError("--features has no classes: leave --classes out")
    options: dict[str, Any] = {} if arguments.classes is None else {"num_classes": arguments.classes}
    if arguments.features:
        options = {"features_only": True}
    return load_model(arguments.model, arguments.pretrained, **options)
