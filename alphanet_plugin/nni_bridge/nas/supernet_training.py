"""What a supernet strategy submits to NNI: the training of the supernet, then the ranking of some subnets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import nni
from nni.nas.evaluator import Evaluator

from ...config import RunConfig, SandwichConfig
from ...evaluation import Metrics, SubnetEvaluator
from ...runs import build_accelerator, build_data, build_trainer, search_batches, write_run_config
from ...samplers import SandwichSampler
from ...spaces import Arch
from ...supernet import Supernet


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

    Attributes:
        results: The measured candidates.
    """

    def __init__(self, config: RunConfig, supernet: Supernet, candidates: Sequence[Arch]):
        self.config = config
        self.supernet = supernet
        self.candidates = list(candidates)
        self.results: list[RankedSubnet] = []

    def evaluate(self, model: Any) -> float:  # noqa: ARG002  # the supernet is the model's own
        """Returns the candidates' mean top-1 accuracy in percent."""
        config = self.config
        accelerator = build_accelerator(config)
        splits = build_data(config)
        measure = SubnetEvaluator(self.supernet, *search_batches(config, splits))
        steps_per_epoch = max(1, len(splits.train) // (config.training.batch_size * accelerator.num_processes))

        def on_step(record: dict[str, Any]) -> None:  # called by the main rank alone
            if (record["step"] + 1) % steps_per_epoch == 0:
                nni.report_intermediate_result(measure(self.candidates[0]).top1)

        assert isinstance(config.sampler, SandwichConfig)  # the strategies' own section
        sampler = SandwichSampler(self.supernet.space, config.sampler.num_random, config.seed)
        trainer = build_trainer(config, accelerator, splits, on_step, supernet=self.supernet, sampler=sampler)
        if accelerator.is_main_process:
            write_run_config(config)
        trainer.run()
        accelerator.end_training()
        if not accelerator.is_main_process:
            return 0.0
        self.results = [RankedSubnet(arch, measure(arch)) for arch in self.candidates]
        mean = sum(result.metrics.top1 for result in self.results) / len(self.results)
        ends = {"smallest": asdict(self.results[0].metrics), "largest": asdict(self.results[-1].metrics)}
        nni.report_final_result({"default": mean, **ends})
        return mean
