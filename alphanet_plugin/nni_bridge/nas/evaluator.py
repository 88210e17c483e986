"""Training with Accelerate as an NNI evaluator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nni
from accelerate import PartialState
from nni.nas.evaluator import Evaluator
from torch import nn

from ...config import NetworkRunConfig, RunConfig, from_dict
from ...data import Splits
from ...evaluation import Metrics, evaluate, recalibrate_bn
from ...runs import NetworkRun, build_data, search_batches
from .progress import Progress


@nni.trace
class AccelerateEvaluator(Evaluator):
    """Trains with this package's Accelerate loop and reports top-1 accuracy in percent on the search images.

    Given a frozen model it trains that network alone on the labels, from the weights that it has; with
    ``training={"epochs": 0}`` it only recalibrates and measures it, as a search over a trained supernet wants.
    Strategies of this package hand it a whole supernet. All arguments are plain values, so it can be serialised.

    Args:
        output: Folder for checkpoints and logs. A run begun there goes on where it stopped.
        data: Section ``data`` of a run's YAML, such as ``{"name": "digits", "image_size": 48}``.
        training: Section ``training``; epochs may be 0.
        evaluation: Section ``evaluation``.
        seed: Of everything random.

    Raises:
        ConfigError: A key or value is wrong; the message names it.
    """

    def __init__(
        self,
        output: str,
        data: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        seed: int = 0,
    ):
        self.output = output
        self.data = dict(data or {})
        self.training = dict(training or {})
        self.evaluation = dict(evaluation or {})
        self.seed = seed
        # A mistake shows now, not in a trial; but a strategy's recipe may have a shorter warm-up than the default.
        self.run_config(training={"warmup_epochs": 0, **self._training()})

    def run_config(self, **sections: Any) -> RunConfig:
        """The run as `alphanet train` would read it, with further sections of the YAML."""
        values = {"output": self.output, "seed": self.seed, "data": self.data, "training": self._training()}
        return from_dict(RunConfig, {**values, "evaluation": self.evaluation, **sections})

    def _training(self) -> dict[str, Any]:
        return {**self.training, **({"epochs": 1, "warmup_epochs": 0} if self.epochs < 1 else {})}

    def _network_config(self, config: RunConfig) -> NetworkRunConfig:
        """A trial, which trains one network on labels; clipped as a supernet is, and without its dropout."""
        training = {key: value for key, value in self.training.items() if key not in ("drop_rate", "drop_path_rate")}
        values = {"output": config.output, "seed": self.seed, "data": self.data, "model": {"name": type(self).__name__}}
        return from_dict(
            NetworkRunConfig,
            {**values, "training": {"clip_value": config.training.clip_value, **training, "epochs": max(1, self.epochs),
                                    "warmup_epochs": config.training.warmup_epochs}},
        )  # fmt: skip

    @property
    def epochs(self) -> int:
        """Passes over the training images; 0 to measure only."""
        return int(self.training.get("epochs", RunConfig(output="").training.epochs))

    def evaluate(self, model: nn.Module) -> float:
        """Train a frozen model, report its top-1 accuracy in percent on the search images, and return it."""
        config = self.run_config(output=str(Path(self.output) / "trials" / _name_of(model)))
        splits = build_data(config)
        if self.epochs:
            run = NetworkRun(self._network_config(config), splits, model=model)
            run.train(None, lambda trainer: Progress(trainer.total_steps))
            run.accelerator.end_training()
        state = PartialState()
        metrics = measure(config, splits, model.to(state.device))
        if state.is_main_process:
            nni.report_intermediate_result(metrics.top1)
            nni.report_final_result({"default": metrics.top1, **metrics.to_dict()})
        return metrics.top1


def measure(config: RunConfig, splits: Splits, model: nn.Module) -> Metrics:
    """Recalibrate a network's BatchNorm on training images and measure it on the search images."""
    calibration, search = search_batches(config, splits)
    return evaluate(recalibrate_bn(model, calibration).eval(), search)


def _name_of(model: nn.Module) -> str:
    """A folder name of its own for every architecture."""
    arch = getattr(model, "arch", None)
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    return hashlib.sha256(json.dumps([str(arch), shapes]).encode()).hexdigest()[:16]
