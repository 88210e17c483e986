"""What NNI's strategies submit: Accelerate's training of a network, or of a supernet whose subnets are then ranked."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nni
from accelerate import PartialState
from nni.nas.evaluator import Evaluator
from torch import nn

from ...config import NetworkRunConfig, RunConfig, from_dict
from ...data import Splits
from ...evaluation import Metrics, SubnetEvaluator, evaluate, recalibrate_bn
from ...runs import NetworkRun, OnStep, build_data, run_supernet, search_batches
from ...spaces import Arch
from ...supernet import Supernet
from ...training import Trainer

logger = logging.getLogger("nni.alphanet_plugin.nas")  # below NNI's, which writes to the console and experiment.log


class Progress:
    """Logs the first step, the last one, and between them one in so many seconds.

    Args:
        total_steps: Of the whole training.
        seconds: Between two lines.
        clock: Seconds that do not go back.
    """

    def __init__(self, total_steps: int, seconds: float = 20.0, clock: Callable[[], float] = time.monotonic):
        self.total_steps, self.seconds, self.clock = total_steps, seconds, clock
        self._next = clock()

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take a step's record in."""
        done = int(record["step"]) + 1
        if self.clock() < self._next and done < self.total_steps:
            return
        self._next = self.clock() + self.seconds
        losses = ", ".join(f"{name} {record[name]:.3f}" for name in ("loss", "kd_loss") if name in record)
        logger.info("step %d of %d: %s", done, self.total_steps, losses)


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


@dataclass(frozen=True)
class RankedSubnet:
    """A subnet and what it scores on the search images."""

    arch: Arch
    metrics: Metrics


class SupernetTraining(Evaluator):
    """Trains a supernet, or goes on from its last checkpoint, then measures the candidates.

    Args:
        config: The run.
        supernet: What to train.
        candidates: The subnets to measure afterwards, the smallest first.
        own: Parts that are not configured, as `run_supernet` takes them.

    Attributes:
        results: The measured candidates.
    """

    def __init__(self, config: RunConfig, supernet: Supernet, candidates: Sequence[Arch], own: Mapping[str, Any]):
        self.config = config
        self.supernet = supernet
        self.candidates = list(candidates)
        self.own = own
        self.results: list[RankedSubnet] = []

    def evaluate(self, model: Any) -> float:  # noqa: ARG002  # the supernet is the model's own
        """Returns the candidates' mean top-1 accuracy in percent."""
        config = self.config
        measure = SubnetEvaluator(self.supernet, *search_batches(config, build_data(config)))

        def watch(trainer: Trainer) -> OnStep:
            progress = Progress(trainer.total_steps)

            def on_step(record: dict[str, Any]) -> None:  # called by the main rank alone
                progress(record)
                if (record["step"] + 1) % trainer.steps_per_epoch == 0:
                    nni.report_intermediate_result(measure(self.candidates[0]).top1)

            return on_step

        run_supernet(config, watch=watch, supernet=self.supernet, **self.own)
        if not PartialState().is_main_process:
            return 0.0
        logger.info("trained; %d subnets are measured", len(self.candidates))
        self.results = [RankedSubnet(arch, measure(arch)) for arch in self.candidates]
        mean = sum(result.metrics.top1 for result in self.results) / len(self.results)
        ends = {"smallest": asdict(self.results[0].metrics), "largest": asdict(self.results[-1].metrics)}
        nni.report_final_result({"default": mean, **ends})
        return mean
