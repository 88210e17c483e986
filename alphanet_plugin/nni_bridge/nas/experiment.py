"""NAS experiments, also under several ranks and after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from nni.nas.evaluator import Evaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import Strategy
from nni.nas.utils.serializer import TorchSerializer, set_default_serializer

from .strategy import SupernetStrategy


def run_experiment(
    space: ModelSpace,
    evaluator: Evaluator,
    strategy: Strategy,
    *,
    port: int = 8080,
    config: NasExperimentConfig | None = None,
    experiment_id: str | None = None,
    resume: bool = False,
) -> NasExperiment | None:
    """Run an experiment to its end. Under several ranks only the first writes its folder and serves the portal.

    Args:
        space: The model space.
        evaluator: An NNI evaluator.
        strategy: An NNI strategy; under several ranks one of this package, which trains on all of them.
        port: Of NNI's portal, where the engine has one.
        config: NNI's configuration.
        experiment_id: A name for the experiment, or the one to resume.
        resume: Go on with the experiment of that id.

    Returns:
        The experiment, for `export_top_models`; None on the other ranks.

    Raises:
        KeyboardInterrupt: Ctrl-C. NNI stops the experiment and returns as if nothing were wrong, so that a program
            would go on with what is half trained.
    """
    ranks = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))  # as Accelerator() would begin
    if ranks.num_processes > 1 and not isinstance(strategy, SupernetStrategy):
        raise ValueError(f"{type(strategy).__name__} runs in one process; several ranks are for SupernetStrategy")
    if not ranks.is_main_process:
        strategy(RawFormatModelSpace(space, evaluator), SequentialExecutionEngine())
        return None
    allow_evolution_to_resume()
    experiment = NasExperiment(space, evaluator, strategy, config=config, id=experiment_id)
    options: dict[str, Any] = {"port": port}
    ended = experiment.resume(**options) if resume else experiment.run(**options)
    if not ended:
        raise KeyboardInterrupt(f"experiment {experiment.id} was stopped")
    return experiment


class ExperimentSerializer(TorchSerializer):
    """NNI's own, reading the experiment's own file as it was written."""

    def load(self, path: Path) -> Any:
        """What `save` wrote at `path`: only ever the checkpoint of one's own experiment, as reading it may run code."""
        return torch.load(path.with_name(path.name + self.suffix), weights_only=False)


def allow_evolution_to_resume() -> None:
    """Let NNI read its own checkpoints on torch 2.6 and later."""
    set_default_serializer(ExperimentSerializer())
