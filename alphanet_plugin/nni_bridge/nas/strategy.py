"""The papers' methods as NNI strategies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy
from nni.nas.space import ExecutableModelSpace, ModelStatus, RawFormatModelSpace

from ...config import RunConfig, SpaceConfig, from_dict
from ...errors import SearchError
from ...runs import build_kd_loss
from ...spaces import Arch, SearchSpace, get_space
from ...supernet import Supernet
from .evaluator import AccelerateEvaluator
from .one_shot_supernet import LabelSpace, OneShotSupernet
from .samples import sample_of
from .space import ElasticSpace
from .supernet_training import SupernetTraining


class SupernetStrategy(OneShotStrategy):
    """Train a supernet by the sandwich rule with in-place distillation, then rank some of its subnets.

    Works on `ElasticSpace` (the fast face) and on any one-shot model space of NNI, with an `AccelerateEvaluator`, in
    the sequential engine and raw format, which NNI chooses by itself for one-shot strategies. The experiment's
    intermediate results are the smallest subnet's top-1 accuracy in percent after each epoch, its final one is the
    mean over the ranked subnets; all on the search images. Killed and resumed, it goes on from the evaluator's last
    checkpoint.

    Args:
        kd: Section ``kd`` of a run's YAML, which says what the students learn by: ``{"name": "reverse_kl"}``.
        num_random: Random archs in each step, beside the largest and the smallest.
        num_candidates: Random subnets that are ranked after training, beside the presets and the two ends.
        seed: Of the ranked subnets.
        parameters: Keys of the kd section, given one by one.

    Raises:
        ConfigError: The section has a key or value that is not allowed.
    """

    default_kd: ClassVar[str] = "adaptive_alpha"

    def __init__(
        self,
        *,
        kd: Mapping[str, Any] | None = None,
        num_random: int = 2,
        num_candidates: int = 8,
        seed: int = 0,
        **parameters: Any,
    ):
        super().__init__()
        self.kd = {"name": self.default_kd, **(kd or {}), **parameters}
        build_kd_loss(from_dict(RunConfig, {"output": "", "kd": self.kd}))  # a mistake shows now, not in training
        self.num_random = num_random
        self.num_candidates = num_candidates
        self.seed = seed
        self.training: SupernetTraining | None = None

    def run_config(self, evaluator: AccelerateEvaluator, supernet: Supernet) -> RunConfig:
        """The run as `alphanet train` would read it."""
        sampler = {"name": "sandwich", "num_random": self.num_random}
        sections: dict[str, Any] = {"kd": self.kd, "sampler": sampler}
        if not isinstance(supernet.space, LabelSpace):
            sections["space"] = space_section(supernet.space)
        return evaluator.run_config(**sections)

    def _initialize(self, model_space: ExecutableModelSpace, engine: ExecutionEngine) -> RawFormatModelSpace:
        if not isinstance(model_space, RawFormatModelSpace) or not isinstance(engine, SequentialExecutionEngine):
            raise TypeError(
                f"{type(self).__name__} trains one shared network in this process: leave NasExperiment's config out, "
                "or use NasExperimentConfig('sequential', 'raw')"
            )
        if not isinstance(model_space.evaluator, AccelerateEvaluator):
            raise TypeError(f"{type(self).__name__} needs an AccelerateEvaluator, not {model_space.evaluator!r}")
        supernet = as_supernet(model_space.model_space)
        config = self.run_config(model_space.evaluator, supernet)
        self.training = SupernetTraining(config, supernet, self._candidates(supernet))
        self._mutated_model_space = RawFormatModelSpace(model_space.model_space, self.training)
        self._mutated_model_space.status = ModelStatus.Frozen
        return self._mutated_model_space

    def _candidates(self, supernet: Supernet) -> list[Arch]:
        space, rng = supernet.space, np.random.default_rng(self.seed)
        drawn = [space.sample(rng) for _ in range(self.num_candidates)]
        return list(dict.fromkeys([space.smallest(), *space.presets.values(), *drawn, space.largest()]))

    def list_models(self, sort: bool = True, limit: int | None = None) -> Iterator[ExecutableModelSpace]:
        """The ranked subnets, best first; their weights are slices of the supernet's, not yet recalibrated."""
        if self.training is None:
            raise RuntimeError("the strategy has not been run")
        ranked = self.training.results
        ranked = sorted(ranked, key=lambda result: -result.metrics.top1) if sort else ranked
        for result in ranked[:limit]:
            model = self.model_space.freeze(nni_sample(self.training.supernet, result.arch))
            model.status = ModelStatus.Trained
            model.metrics.final = result.metrics.top1
            yield model

    def state_dict(self) -> dict[str, Any]:
        """Where the weights are; they, the optimiser's and the random states are in that run's checkpoints."""
        return {} if self.training is None else {"output": str(Path(self.training.config.output).resolve())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Check that the run to go on with is the experiment's own.

        Raises:
            SearchError: The evaluator's output is another folder than when the experiment began.
        """
        now = self.state_dict().get("output")
        if state_dict.get("output") not in (None, now):
            raise SearchError(
                f"this experiment trains in {state_dict['output']}, not {now}; give the evaluator that output"
            )


class AlphaNetStrategy(SupernetStrategy):
    """Sandwich training with adaptive alpha-divergence (AlphaNet, ICML 2021, algorithm 1).

    ``alpha_min``, ``alpha_max``, ``clip``, ``form`` and ``temperature`` are those of `config.AdaptiveAlphaConfig`; the
    rest is `SupernetStrategy`'s.
    """


class KLStrategy(SupernetStrategy):
    """Sandwich training with KL divergence, the baseline that AlphaNet replaces (BigNAS, ECCV 2020).

    ``temperature`` is that of `config.KLConfig`; the rest is `SupernetStrategy`'s.
    """

    default_kd = "kl"


def space_section(space: SearchSpace) -> dict[str, Any]:
    """Section ``space`` of a run over this space, so that it is found again from the run's folder.

    Raises:
        ValueError: The space has values that the section cannot hold.
    """
    whole = space.to_config()
    section = {field.name: whole[field.name] for field in fields(SpaceConfig) if field.name in whole}
    if get_space(**section).to_config() != whole:
        raise ValueError(f"a run's space section has {', '.join(section)} alone, and cannot hold {space!r}")
    return section


def as_supernet(model_space: Any) -> Supernet:
    """The supernet of a model space: our own of `ElasticSpace`, any other mutated by NNI's path sampling."""
    if not isinstance(model_space, ElasticSpace):
        return OneShotSupernet(model_space)
    if model_space.face != "fast":
        raise ValueError("the native face is for DARTS and its kin; build ElasticSpace with face='fast'")
    return cast(Supernet, model_space.network.supernet)


def nni_sample(supernet: Supernet, arch: Arch) -> dict[str, Any]:
    """NNI's sample of one of its archs."""
    space = supernet.space
    return space.sample_of(arch) if isinstance(space, LabelSpace) else sample_of(space, arch)
