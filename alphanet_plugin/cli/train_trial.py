"""``alphanet train --nni``: a training run as a trial of an NNI experiment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import read_run_config
from .train import train

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..runs import OnStep, Watch
    from ..training import Trainer


def train_as_trial(path: str, overrides: list[str]) -> None:
    """Train with the parameters that NNI's tuner chose, in the trial's own folder; report each epoch and the end.

    Of several ranks the first alone talks to NNI; the others get what it was given.
    """
    from accelerate import PartialState

    from ..nni_bridge.hpo.hpo_trial import next_overrides, report_end, trial_folder
    from ..nni_bridge.hpo.orphan import die_with_parent
    from ..runs import open_run

    die_with_parent()
    chosen, folder = _from_first_rank(lambda: (next_overrides(), trial_folder()))
    config = read_run_config(path, [*overrides, *chosen])
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
