"""train one network from a fixed teacher, or from labels alone

Any two timm models, by name or as folders that this package wrote; a run that was begun in the same output folder is
resumed. On scikit-learn's digits, a teacher and then its student:
  alphanet distill --config configs/distill/digits_teacher.yaml
  alphanet distill --teacher runs/distill/digits_teacher/model --student mobilenetv3_small_050
On ImageNet, tables 5 and 6 of the AlphaNet paper (configs/distill/table*.yaml), on several GPUs:
  accelerate launch -m alphanet_plugin distill --config configs/distill/table6_deit_tiny.yaml --root /path/to/imagenet
See docs/distill.md."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from ..shipped import shipped_config
from .options import add_overrides, add_resume_from
from .process import start_cpu_ranks
from .progress import Advance, progress_bar, say, say_where_it_begins

if TYPE_CHECKING:
    from ..config import NetworkRunConfig
    from ..runs import OnStep
    from ..training import Trainer

_DIGITS = "configs/distill/digits.yaml"
_DIGITS_TEACHER = "configs/distill/digits_teacher.yaml"
_PHOTOGRAPHS = "configs/distill/table5_mobilenetv3_large_075.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--teacher", metavar="NAME|FOLDER", help="a timm model with weights, or a folder of one")
    parser.add_argument("--student", metavar="NAME", help="a timm model to train")
    parser.add_argument(
        "--teacher-checkpoint", metavar="PATH|TAG", help="the teacher's weights: a folder, a file, or a tag of timm's"
    )
    parser.add_argument("--data", metavar="NAME", help="digits (default), folder, or a timm data set's name")
    parser.add_argument("--root", metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--config", metavar="FILE",
        help=f"YAML file; by default {_DIGITS}, and {_PHOTOGRAPHS} for other data",
    )  # fmt: skip
    parser.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/distill/STUDENT)")
    add_resume_from(parser)
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    start_cpu_ranks()
    config = read_distill_config(arguments)
    main = os.environ.get("RANK", "0") == "0"
    with progress_bar("distill" if config.distils else "train", shown=main) as advance:
        metrics = _train(config, advance, arguments.resume_from)
    if main:
        folder = f"{config.output}/model"
        print(f"{config.model.name}: top-1 {metrics['test_top1']:.2f} % of {metrics['test_count']} test images")
        print(f'timm.create_model("local-dir:{folder}", pretrained=True) loads it (log {config.output}/log.jsonl)')


def read_distill_config(arguments: argparse.Namespace) -> NetworkRunConfig:
    """The configuration that the verb's options and overrides make."""
    from ..config import NetworkRunConfig, read_config

    path, overrides = arguments.config, []
    if path is None:
        if arguments.student is None:
            raise ValueError("give --student NAME (and --teacher NAME to distil from it), or --config FILE")
        path = _default_config(arguments)
        overrides += [f"output=runs/distill/{arguments.student.replace('/', '_')}"]
        if arguments.teacher is None:
            overrides += ["teacher=null", "kd=null"]
    named = {
        "model.name": arguments.student,
        "teacher.name": arguments.teacher,
        "teacher.pretrained": arguments.teacher_checkpoint,
        "data.name": arguments.data,
        "data.root": arguments.root,
        "output": arguments.output,
    }
    overrides += [f"{key}={json.dumps(value)}" for key, value in named.items() if value is not None]
    return read_config(NetworkRunConfig, shipped_config(path), [*overrides, *arguments.overrides])


def _default_config(arguments: argparse.Namespace) -> str:
    if arguments.data not in (None, "digits"):
        return _PHOTOGRAPHS
    return _DIGITS if arguments.teacher else _DIGITS_TEACHER


def _train(config: NetworkRunConfig, advance: Advance, resume_from: str | None) -> dict[str, float]:
    from ..runs import run_network

    def watch(trainer: Trainer) -> OnStep:
        say_where_it_begins(trainer)
        teacher = getattr(trainer.update, "teacher", None)
        if teacher is not None and config.teacher is not None:
            name, sees = config.teacher.name, teacher.expected.uncropped
            say(f"teacher {name}: the student's views as {sees}", shown=os.environ.get("RANK", "0") == "0")
        return lambda record: advance(int(record["step"]) + 1, trainer.total_steps, _note(record))

    def on_filled(done: int, total: int) -> None:
        advance(done, total, "asking the teacher")

    return run_network(config, on_filled=on_filled, watch=watch, resume_from=resume_from)


def _note(record: dict[str, Any]) -> str:
    shown = {"loss": "loss", "label_loss": "labels", "kd_loss": "kd"}
    return "  ".join(f"{word} {record[name]:.3f}" for name, word in shown.items() if name in record)
