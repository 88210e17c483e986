"""measure one subnet or one published model

alphanet evaluate runs/digits --arch a4               a subnet of a run, on its search images
alphanet evaluate runs/digits --arch a4 --split test  ... on its test images, as it would be deployed
alphanet evaluate alphanet_a4.digits --data digits    a published model, on a data set's test images
alphanet evaluate resnet18 --data folder --root DIR   any timm model"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_overrides, read_arch_option

if TYPE_CHECKING:
    from ..evaluation import Metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", metavar="RUN|MODEL", help="folder of a trained run, or a name for timm.create_model")
    parser.add_argument("--arch", help="of a run: a preset, largest, smallest, a YAML file or the printed form")
    parser.add_argument("--split", choices=("search", "test"), default="search", help="of a run: which images")
    parser.add_argument("--data", help="of a model: digits, folder, or a timm data set's name")
    parser.add_argument("--root", help="of a model: folder of the data set")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--device", default="cpu", help="such as cuda")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    if Path(arguments.subject).is_dir():
        name, metrics = _evaluate_subnet(arguments)
    else:
        name, metrics = _evaluate_model(arguments)
    figures = ", ".join(f"{key} {value:.4f}" if key == "loss" else f"{key} {value:.2f} %" for key, value in
                        asdict(metrics).items() if key != "count")  # fmt: skip
    print(f"{name}: {figures} ({metrics.count} images)")


def _evaluate_subnet(arguments: argparse.Namespace) -> tuple[str, Metrics]:
    from .. import recipes

    if not arguments.arch:
        raise ValueError(
            "--arch is needed to evaluate a run: a preset, largest, smallest, a YAML file, or the printed form"
        )
    trained = recipes.open_run(arguments.subject, arguments.overrides, arguments.device)
    arch = read_arch_option(arguments.arch, trained.space)
    name = f"{arguments.arch} ({trained.mflops(arch):,.2f} MFLOPs, {arguments.split} images)"
    if arguments.split == "test":
        return name, recipes.Deployment(trained, arch.resolution).measure(arch)[1]
    return name, recipes.build_evaluator(trained)(arch)


def _evaluate_model(arguments: argparse.Namespace) -> tuple[str, Metrics]:
    import timm
    from timm.data import resolve_model_data_config

    from ..data import build_splits, eval_loader
    from ..evaluation import evaluate

    if not arguments.data:
        raise ValueError(
            "--data is needed to evaluate a model: digits, folder (with --root), or a timm data set's name"
        )
    try:
        model = timm.create_model(arguments.subject, pretrained=True)
    except RuntimeError as error:
        raise ValueError(f"{arguments.subject} is neither a folder nor a model with weights: {error}") from error
    cfg = resolve_model_data_config(model)
    splits = build_splits(
        arguments.data, arguments.root, image_size=cfg["input_size"][-1],
        crop_pct=None if arguments.data == "digits" else cfg["crop_pct"],
    )  # fmt: skip
    batches = eval_loader(splits.test, batch_size=arguments.batch_size)
    return arguments.subject, evaluate(model.to(arguments.device), batches)
