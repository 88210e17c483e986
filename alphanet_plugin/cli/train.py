"""train a supernet from a YAML configuration

A run that was begun in the same output folder is resumed. Several GPUs or processes:
  accelerate launch -m alphanet_plugin train --config configs/imagenet.yaml --set data.root=/path/to/imagenet"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .cpu_ranks import start_cpu_ranks
from .options import add_overrides, read_run_config
from .progress import progress_bar

if TYPE_CHECKING:
    from ..config import RunConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML file, such as configs/digits.yaml")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    start_cpu_ranks()
    train(read_run_config(arguments.config, arguments.overrides))


def train(config: RunConfig) -> None:
    """Train to the end, or on from where a run in the same folder stopped."""
    from .. import recipes

    accelerator = recipes.build_accelerator(config)
    main = accelerator.is_main_process
    with progress_bar("train", shown=main) as advance:

        def on_step(record: dict[str, float]) -> None:
            note = f"loss {record['loss']:.3f}  kd {record['kd_loss']:.3f}"
            advance(int(record["step"]) + 1, trainer.total_steps, note)

        trainer = recipes.build_trainer(config, accelerator, recipes.build_data(config), on_step)
        if main:
            recipes.write_run_config(config)
        if config.training.tracker:
            accelerator.init_trackers("alphanet")
        trainer.run()
    accelerator.end_training()
    if main:
        print(f"trained: {config.output} (log {config.output}/log.jsonl; next: alphanet search {config.output})")
