"""What a supernet strategy submits to NNI: the training of the supernet, then the ranking of some subnets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import nni
from accelerate import PartialState
from nni.nas.evaluator import Evaluator

from ...config import RunConfig
from ...evaluation import Metrics, SubnetEvaluator
from ...runs import OnStep, build_data, run_supernet, search_batches
from ...spaces import Arch
from ...supernet import Supernet
from ...training import Trainer
from .progress import Progress, logger


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
