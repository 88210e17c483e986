"""measure one subnet or one published model

alphanet evaluate runs/digits --arch a4               a subnet of a run, on its search images
alphanet evaluate runs/digits --arch a4 --split test  ... on its test images, as it would be deployed
alphanet evaluate alphanet_a4.digits --data digits    a published model, on a data set's test images
alphanet evaluate alphanet_a4 --data DIR              ... on DIR/val/CLASS/*.jpg, at its own resolution
alphanet evaluate alphanet_a4 --data DIR --protocol paper
  resize 256, centre crop 224, resized to the arch's resolution inside the network, as the AlphaNet paper reports
alphanet evaluate resnet18 --data DIR                 any timm model"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import add_overrides, read_run_arch

if TYPE_CHECKING:
    from ..evaluation import Metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", metavar="RUN|MODEL", help="folder of a trained run, or a name for timm.create_model")
    parser.add_argument(
        "--arch",
        help="of a run: a preset, front1 of its search, largest, smallest, a YAML file, the printed form",
    )
    parser.add_argument("--split", choices=("search", "test"), default="search", help="of a run: which images")
    parser.add_argument("--data", help="of a model: a folder, digits, or a timm data set's name")
    parser.add_argument("--root", help="of a model: where the data set of that name lies")
    parser.add_argument(
        "--protocol", choices=("timm", "paper"), default="timm", help="of a model: how images come in (default: timm)"
    )
    parser.add_argument("--workers", type=int, default=0, help="of a model: processes that read images")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--device", default="cpu", help="such as cuda")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    if Path(arguments.subject).is_dir():
        name, metrics = _evaluate_subnet(arguments)
    else:
        name, metrics = _evaluate_model(arguments)
    figures = ", ".join(f"{key} {value:.4f}" if key == "loss" else f"{key} {value:.2f} %" for key, value in
                        metrics.to_dict().items() if key != "count")  # fmt: skip
    print(f"{name}: {figures} ({metrics.count} images)")


def _evaluate_subnet(arguments: argparse.Namespace) -> tuple[str, Metrics]:
    from .. import runs

    if not arguments.arch:
        raise ValueError(
            "--arch is needed to evaluate a run: a preset, largest, smallest, a YAML file, or the printed form"
        )
    overrides = [*runs.last_choice(arguments.subject), *arguments.overrides]
    trained = runs.open_run(arguments.subject, overrides, arguments.device)
    arch = read_run_arch(arguments.arch, trained)
    name = f"{arguments.arch} ({trained.mflops(arch):,.2f} MFLOPs, {arguments.split} images)"
    if arguments.split == "test":
        return name, runs.Deployment(trained, arch.resolution).measure(arch)[1]
    return name, runs.build_evaluator(trained)(arch)


def _evaluate_model(arguments: argparse.Namespace) -> tuple[str, Metrics]:
    from ..data import eval_loader, open_evaluation
    from ..evaluation import evaluate

    if not arguments.data:
        raise ValueError("--data is needed to evaluate a model: a folder, digits, or a timm data set's name")
    model, image_size, crop_pct = _model_and_input(arguments)
    images, class_names = open_evaluation(arguments.data, arguments.root, image_size=image_size, crop_pct=crop_pct)
    if len(class_names) != model.num_classes:
        raise ValueError(
            f"{arguments.subject} knows {model.num_classes} classes and {arguments.data} has "
            f"{len(class_names)}; evaluate it on the data set that it was trained for"
        )
    batches = eval_loader(images, batch_size=arguments.batch_size, num_workers=arguments.workers)
    name = f"{arguments.subject} ({arguments.protocol} protocol, images of {image_size} pixels)"
    return name, evaluate(model.to(arguments.device), batches)


def _model_and_input(arguments: argparse.Namespace) -> tuple[Any, int, float]:
    """The model, the side of its images in pixels, and their crop_pct."""
    import timm
    from timm.data import resolve_model_data_config

    try:
        model: Any = timm.create_model(arguments.subject, pretrained=True)
    except RuntimeError as error:
        raise ValueError(f"{arguments.subject} is neither a folder nor a model with weights: {error}") from error
    if arguments.protocol == "timm":
        cfg = resolve_model_data_config(model)
        return model, cfg["input_size"][-1], cfg["crop_pct"]
    if not hasattr(model, "resize_input"):
        raise ValueError(f"--protocol paper is for this package's models, which resize inside; not {arguments.subject}")
    if arguments.data == "digits":
        raise ValueError("--protocol paper crops photographs at 224 pixels; digits are measured with --protocol timm")
    model.resize_input = True
    return model, 224, 0.875
