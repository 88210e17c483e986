"""measure one subnet or one published model

alphanet evaluate runs/digits --arch a4               a subnet of a run, on its search images
alphanet evaluate runs/digits --arch a4 --split test  ... on its test images, as it would be deployed
alphanet evaluate alphanet_a4.digits --data digits    a published model, on a data set's test images
alphanet evaluate alphanet_a4 --data DIR              ... on DIR/val/CLASS/*.jpg, at its own resolution
alphanet evaluate runs/distill/digits/model --data digits
  ... that lies in a folder, as this package writes them
alphanet evaluate alphanet_a4 --data DIR --protocol paper
  resize 256, centre crop 224, resized to the arch's resolution inside the network, as the AlphaNet paper reports
alphanet evaluate resnet18 --data DIR                 any timm model"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nearest import path_hint
from ..store import CONFIG_FILE
from .options import add_overrides, load_model, read_run_arch
from .progress import progress_bar

if TYPE_CHECKING:
    from ..data import Preparation
    from ..evaluation import Metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        metavar="RUN|MODEL",
        help="folder of a trained run or of a published model, or a name for timm.create_model",
    )
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
    parser.add_argument(
        "--other-classes", action="store_true",
        help="of a model: compare its answers with the labels by their places, though the classes are called otherwise",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=0, help="of a model: processes that read images")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--json", action="store_true", help="print JSON, with how images were prepared")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    path = Path(arguments.subject)
    if path.is_dir() and not (path / CONFIG_FILE).is_file():
        where = f"of a model, and {path} holds no {CONFIG_FILE} of one; a run is measured on its own images (--split)"
        _refuse(arguments, ("data", "root", "other_classes"), where)
        name, facts, metrics = _evaluate_subnet(arguments)
    else:
        _refuse(
            arguments,
            ("arch",),
            f"of a run, and {path} is no folder of one{path_hint(path)}; look at the path, or leave it out",
        )
        name, facts, metrics = _evaluate_model(arguments)
    if arguments.json:
        print(json.dumps({"subject": arguments.subject, **facts, **metrics.to_dict()}, indent=2))
        return
    figures = ", ".join(f"{key} {value:.4f}" if key == "loss" else f"{key} {value:.2f} %" for key, value in
                        metrics.to_dict().items() if key != "count")  # fmt: skip
    print(f"{name}: {figures} ({metrics.count} images)")


def _refuse(arguments: argparse.Namespace, names: Iterable[str], are: str) -> None:
    """ValueError for an option that was given and would change nothing."""
    for name in names:
        if getattr(arguments, name):
            raise ValueError(f"--{name.replace('_', '-')} is {are}")


Facts = dict[str, Any]


def _evaluate_subnet(arguments: argparse.Namespace) -> tuple[str, Facts, Metrics]:
    """What was measured in words, as JSON values, and its figures."""
    from .. import runs

    if not arguments.arch:
        raise ValueError(
            "--arch is needed to evaluate a run: a preset, front1 of its search, largest, smallest, a YAML file, or "
            "the printed form"
        )
    overrides = [*runs.last_choice(arguments.subject), *arguments.overrides]
    trained = runs.open_run(arguments.subject, overrides, arguments.device)
    arch = read_run_arch(arguments.arch, trained)
    mflops = trained.mflops(arch)
    name = f"{arguments.arch} ({mflops:,.2f} MFLOPs, {arguments.split} images)"
    facts = {"arch": str(arch), "mflops": mflops, "split": arguments.split}
    with runs.tracked(trained.config, "evaluate") as track:
        if arguments.split == "test":
            metrics = runs.Deployment(trained, arch.resolution).measure(arch)[1]
        else:
            metrics = runs.build_evaluator(trained)(arch)
        figures = metrics.to_dict()
        track({f"{arguments.split}/{arguments.arch}/{key}": value for key, value in figures.items()}, None)
    return name, facts, metrics


def _evaluate_model(arguments: argparse.Namespace) -> tuple[str, Facts, Metrics]:
    """As `_evaluate_subnet`."""
    from ..data import check_classes, eval_loader, evaluation_source, prepared
    from ..evaluation import evaluate

    if not arguments.data:
        raise ValueError("--data is needed to evaluate a model: a folder, digits, or a timm data set's name")
    source = evaluation_source(arguments.data, arguments.root)  # before weights are fetched
    class_names = source.class_names
    model, preparation = _model_and_preparation(arguments)
    if len(class_names) != model.num_classes:
        raise ValueError(
            f"{arguments.subject} knows {model.num_classes} classes and {arguments.data} has "
            f"{len(class_names)}; evaluate it on the data set that it was trained for"
        )
    if not arguments.other_classes:
        names = model.pretrained_cfg.get("label_names")
        check_classes(arguments.subject, names, arguments.data, class_names, others="give --other-classes to compare "
                      "answers and labels by their places all the same")  # fmt: skip
    if not arguments.json:
        print(f"images: {preparation}")
    images = prepared(source, preparation)
    batches = eval_loader(images, batch_size=arguments.batch_size, num_workers=arguments.workers)
    name = f"{arguments.subject} ({arguments.protocol} protocol, images of {preparation.input_size[-1]} pixels)"
    facts = {"data": arguments.data, "protocol": arguments.protocol, "preparation": vars(preparation)}
    return name, facts, evaluate(model.to(arguments.device), _counted(batches, len(images)))


def _counted(batches: Iterable[Any], total: int) -> Iterator[Any]:
    """The batches, behind a progress bar over their `total` images."""
    done = 0
    with progress_bar("evaluate") as advance:
        for batch in batches:
            yield batch
            done += len(batch[1])
            advance(done, total)


def _model_and_preparation(arguments: argparse.Namespace) -> tuple[Any, Preparation]:
    """The model, and how its images are prepared."""
    from ..data import preparation_of

    model: Any = load_model(arguments.subject)
    preparation = preparation_of(model)
    if arguments.protocol == "timm":
        return model, preparation
    if not hasattr(model, "resize_input"):
        raise ValueError(f"--protocol paper is for this package's models, which resize inside; not {arguments.subject}")
    if arguments.data == "digits":
        raise ValueError("--protocol paper crops photographs at 224 pixels; digits are measured with --protocol timm")
    model.resize_input = True
    return model, replace(
        preparation, input_size=(preparation.input_size[0], 224, 224), crop_pct=0.875, crop_mode="center"
    )
