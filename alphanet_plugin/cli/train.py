"""train a supernet from a YAML configuration

A run that was begun in the same output folder is resumed. Several GPUs or processes:
  accelerate launch -m alphanet_plugin train --config configs/imagenet.yaml --set data.root=/path/to/imagenet
As a trial of an NNI experiment, whose tuner chooses keys such as kd.name or training.lr (see configs/nni/hpo_kd.yaml):
  accelerate launch -m alphanet_plugin train --config configs/digits.yaml --nni"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from .cpu_ranks import start_cpu_ranks
from .options import add_overrides, read_run_config
from .progress import progress_bar

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..training import Trainer

Record = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML file, such as configs/digits.yaml")
    parser.add_argument(
        "--nni", action="store_true", help="be a trial of an NNI experiment: output/EXPERIMENT/TRIAL, results to NNI"
    )
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    start_cpu_ranks()
    if arguments.nni:
        from .train_trial import train_as_trial

        train_as_trial(arguments.config, arguments.overrides)
    else:
        train(read_run_config(arguments.config, arguments.overrides))


def train(config: RunConfig, watch: Callable[[Trainer, RunConfig], Callable[[Record], None]] | None = None) -> None:
    """Train to the end, or on from where a run in the same folder stopped.

    Args:
        config: The run.
        watch: Given the trainer, makes what the main rank calls after each step with its record.
    """
    from .. import runs

    accelerator = runs.build_accelerator(config)
    main = accelerator.is_main_process
    with progress_bar("train", shown=main) as advance:

        def on_step(record: Record) -> None:
            note = f"loss {record['loss']:.3f}  kd {record['kd_loss']:.3f}"
            advance(int(record["step"]) + 1, trainer.total_steps, note)
            if watcher:
                watcher(record)

        trainer = runs.build_trainer(config, accelerator, runs.build_data(config), on_step)
        watcher = watch(trainer, config) if watch else None
        if main:
            runs.write_run_config(config)
        if config.training.tracker:
            accelerator.init_trackers("alphanet")
        trainer.run()
    accelerator.end_training()
    if main:
        print(f"trained: {config.output} (log {config.output}/log.jsonl; next: alphanet search {config.output})")
