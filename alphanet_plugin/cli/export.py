"""write a model as ONNX or pt2, checked against torch

alphanet export alphanet_a4.digits                        alphanet_a4.digits.onnx, for any number of images
alphanet export alphanet_a4.digits --format pt2           ... for torch.export.load
alphanet export local-dir:FOLDER --output deployed.onnx   a published folder, wherever it lies
alphanet export resnet18 --no-pretrained --classes 10     any timm model

The file is put in place only after a fresh process has read it and given torch's logits, at two batch sizes. ONNX needs
onnx, onnxscript and onnxruntime: pip install onnx onnxscript onnxruntime"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..export import FORMATS, export_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name for timm.create_model, such as local-dir:FOLDER")
    parser.add_argument("--format", choices=tuple(FORMATS), default="onnx", help="default: onnx")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the model's name, here")
    parser.add_argument("--pretrained", action=argparse.BooleanOptionalAction, default=True, help="load its weights")
    parser.add_argument("--classes", type=int, metavar="N", help="with --no-pretrained: outputs of the classifier")
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
    path = arguments.output or Path(f"{_file_name(arguments.model)}.{arguments.format}")
    if path.is_dir():
        raise ValueError(f"--output {path} is a folder; give a file's path")
    model = _load(arguments)
    exported = export_model(model, path, arguments.format, fused=arguments.fuse, tolerance=arguments.tolerance)
    channels, height, width = exported.input_size
    shapes = f"images (batch, {channels}, {height}, {width}) to logits (batch, {model.num_classes})"
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {shapes}")
    print(f"read again in a fresh process: differs from torch by {exported.difference:.1e} of the largest logit")


def _file_name(model: str) -> str:
    """``alphanet_a4.digits`` for that name, for ``local-dir:/some/alphanet_a4.digits``, and for a hub's."""
    return model.rstrip("/").replace(":", "/").rpartition("/")[2]


def _load(arguments: argparse.Namespace) -> Any:
    import timm

    if arguments.classes is not None and (arguments.pretrained or arguments.classes < 1):
        raise ValueError("--classes takes a positive number and goes with --no-pretrained: weights bring their classes")
    options = {} if arguments.classes is None else {"num_classes": arguments.classes}
    try:
        return timm.create_model(arguments.model, pretrained=arguments.pretrained, **options)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"{arguments.model} cannot be loaded by timm.create_model: {error}") from error
