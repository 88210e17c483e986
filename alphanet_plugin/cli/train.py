"""train a supernet from a YAML configuration

A run that was begun in the same output folder is resumed. Several GPUs or processes:
  accelerate launch -m alphanet_plugin train --config configs/imagenet.yaml --set data.root=/path/to/imagenet
As a trial of an NNI experiment, whose tuner chooses keys such as kd.name or training.lr (see configs/nni/hpo_kd.yaml):
  accelerate launch -m alphanet_plugin train --config configs/digits.yaml --nni
Another method than the configuration's own, and what it would do:
  alphanet train --recipe deps --config configs/ofa_digits.yaml --plan"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import add_overrides, add_resume_from
from .process import start_cpu_ranks
from .progress import progress_bar, say_where_it_begins

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..runs import OnStep, Watch
    from ..training import Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="YAML file, such as configs/digits.yaml")
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="alphanet, attentive_nas, us_mobilenet, bignas, deps, deps_released, ofa, compofa or the path of one; its "
        "keys lie under those of --config",
    )
    parser.add_argument(
        "--plan", action="store_true", help="print and draw the run's phases and what they cost, and do not train"
    )
    parser.add_argument(
        "--images", type=int, metavar="N", help="for --plan, where the images are not here: how many train"
    )
    parser.add_argument(
        "--kernels", choices=("auto", "plain", "compiled"), help="what a CPU trains with; as --set kernels=..."
    )
    parser.add_argument(
        "--nni", action="store_true", help="be a trial of an NNI experiment: output/EXPERIMENT/TRIAL, results to NNI"
    )
    add_resume_from(parser)
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..runs import read_config

    path, overrides = _source(arguments)
    if arguments.images is not None and not (arguments.plan and arguments.images >= 1):
        raise ValueError(f"--images is how many images train, at least 1, and goes with --plan; not {arguments.images}")
    if arguments.plan:
        if os.environ.get("RANK", "0") == "0":
            show_plan(read_config(path, overrides), arguments.images)
        return
    start_cpu_ranks()
    if arguments.nni:
        train_as_trial(path, overrides)
    else:
        train(read_config(path, overrides), resume_from=arguments.resume_from)


def _source(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """What to read, and the overrides, the recipe's name among them."""
    if arguments.config is None and arguments.recipe is None:
        raise ValueError("give --config FILE, --recipe NAME, or both")
    given = {"recipe": arguments.recipe if arguments.config else None, "kernels": arguments.kernels}
    first = [f"{key}={value}" for key, value in given.items() if value]
    return arguments.config or arguments.recipe, [*first, *arguments.overrides]


def show_plan(config: RunConfig, num_images: int | None) -> None:
    """Print and draw a run's phases."""
    from ..runs import draw_plan, plan_run, plan_table

    plan = plan_run(config, num_images)
    print(plan_table(plan.phases), end="")
    print(f"picture: {draw_plan(plan, config)}")


def train(config: RunConfig, watch: Watch | None = None, resume_from: str | None = None) -> None:
    """Train to the end, or on from where a run in the same folder stopped.

    Args:
        config: The run.
        watch: See `alphanet_plugin.runs.run_supernet`.
        resume_from: The same.
    """
    from ..runs import run_supernet

    main = os.environ.get("RANK", "0") == "0"
    with progress_bar("train", shown=main) as advance:

        def show(trainer: Trainer) -> OnStep:
            say_where_it_begins(trainer)
            watcher = watch(trainer) if watch else None

            def on_step(record: dict[str, Any]) -> None:
                note = f"loss {record['loss']:.3f}  kd {record['kd_loss']:.3f}"
                step, phase = int(record["step"]), trainer.timeline.at(int(record["step"]))
                part = phase.name if len(trainer.timeline.phases) > 1 else ""
                advance(step + 1 - phase.steps.start, len(phase.steps), note, part)
                if watcher:
                    watcher(record)

            return on_step

        run_supernet(config, watch=show, resume_from=resume_from)
    if main:
        following = f"alphanet search {shlex.quote(config.output)}"
        print(f"trained: {config.output} (log {config.output}/log.jsonl; next: {following})")


def train_as_trial(path: str, overrides: list[str]) -> None:
    """Train with the parameters that NNI's tuner chose, in the trial's own folder; report each epoch and the end.

    Of several ranks the first alone talks to NNI; the others get what it was given.
    """
    from accelerate import PartialState

    from ..nni_bridge.hpo.hpo_trial import next_overrides, report_end, trial_folder
    from ..nni_bridge.hpo.orphan import die_with_parent
    from ..runs import open_run, read_config

    die_with_parent()
    chosen, folder = _from_first_rank(lambda: (next_overrides(), trial_folder()))
    config = read_config(path, [*overrides, *chosen])
    config = replace(config, output=str(Path(config.output) / folder))
    train(config, _watching(config))
    if PartialState().is_main_process:
        top1 = report_end(open_run(config.output, device=PartialState().device or "cpu"))
        print(f"mean top-1 of smallest, presets and largest: {top1:.2f} % with {', '.join(chosen) or 'no overrides'}")


def _watching(config: RunConfig) -> Watch:
    from .. import runs
    from ..nni_bridge.hpo.hpo_trial import EpochReporter

    def watch(trainer: Trainer) -> OnStep:
        supernet, folder = runs.supernet_of(trainer), runs.RunFolder(Path(config.output))
        run = runs.TrainedRun(folder, config, folder.checkpoints, supernet, runs.build_data(config))
        return EpochReporter(supernet.space, runs.build_evaluator(run), trainer.steps_per_epoch)

    return watch


def _from_first_rank(ask: Callable[[], Any]) -> Any:
    """What the first rank is answered, on every rank."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")
    answer = [ask() if PartialState(cpu=cpu).is_main_process else None]
    return broadcast_object_list(answer)[0]
