"""The papers' methods as NNI strategies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy
from nni.nas.space import ExecutableModelSpace, ModelStatus, RawFormatModelSpace

from ...config import RunConfig, SpaceConfig, SupernetConfig, from_dict
from ...errors import ConfigError, SearchError
from ...losses import KDLoss, Objective
from ...runs import build_kd_loss, build_model
from ...samplers import Sampler
from ...spaces import Arch, SearchSpace, get_space
from ...supernet import Supernet
from ...training import FIRST
from .elastic_module import ElasticModule
from .evaluator import AccelerateEvaluator, SupernetTraining
from .one_shot_supernet import LabelSpace, OneShotSupernet
from .samples import sample_of
from .space import ElasticSpace


class SupernetStrategy(OneShotStrategy):
    """Train a supernet by a recipe, or by AlphaNet's sandwich rule, then rank some of its subnets.

    Works on `ElasticSpace` (the fast face) and on any one-shot model space of NNI, with an `AccelerateEvaluator`, in
    the sequential engine and raw format, which NNI chooses by itself for one-shot strategies. The experiment's
    intermediate results are the smallest subnet's top-1 accuracy in percent after each epoch, its final one is the
    mean over the ranked subnets; all on the search images. Killed and resumed, it goes on from the evaluator's last
    checkpoint.

    What a recipe says lies under the evaluator's sections, as under a user's file.

    Args:
        recipe: A shipped recipe by name, such as ``deps``, or the path of one; None for AlphaNet's sandwich rule.
        kd: Section ``kd`` of a run's YAML, which says what the students learn by: ``{"name": "reverse_kl"}``; None for
            the recipe's.
        phases: Section ``phases``, over the recipe's: ``{"shrink": {"scale": {"length": 0.1}}}``.
        num_random: Random archs in each step, beside the largest and the smallest; None for the recipe's, and else 2.
        kd_loss: A loss of one's own in place of the kd section; as `run_supernet` takes it, and the next two.
        sampler: A sampler of one's own, over `ElasticSpace.space`.
        objective: An objective of one's own.
        num_candidates: Random subnets that are ranked after training, beside the presets and the two ends.
        seed: Of the ranked subnets.
        parameters: Keys of the kd section, given one by one.

    Raises:
        ConfigError: There is no such recipe, or a section has a key or value that is not allowed.
    """

    default_kd: ClassVar[str | None] = None
    """Name of the kd section where none is given; None for the recipe's."""

    def __init__(
        self,
        *,
        recipe: str | None = None,
        kd: Mapping[str, Any] | None = None,
        phases: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        num_random: int | None = None,
        kd_loss: KDLoss | None = None,
        sampler: Sampler | None = None,
        objective: Objective | None = None,
        num_candidates: int = 8,
        seed: int = 0,
        **parameters: Any,
    ):
        super().__init__()
        self.recipe = recipe
        self.kd = {**self.kd_section(kd), **parameters}
        self.phases = phases
        self.num_random = num_random
        self.own = {"kd_loss": kd_loss, "sampler": sampler, "objective": objective}
        self.num_candidates = num_candidates
        self.seed = seed
        self.training: SupernetTraining | None = None
        self._check()

    @classmethod
    def kd_section(cls, kd: Mapping[str, Any] | None) -> dict[str, Any]:
        """A kd section with the strategy's own name where it has none."""
        return {**({"name": cls.default_kd} if cls.default_kd else {}), **(kd or {})}

    def _check(self) -> None:
        """ConfigError for a mistake, which shows now and not in training."""
        for (name, part), kind in zip(self.own.items(), (KDLoss, Sampler, Objective), strict=True):
            if part is not None and not isinstance(part, kind):
                raise TypeError(f"{name} must be a {kind.__name__} built in Python, not {part!r}")
        config = from_dict(RunConfig, {"output": "unnamed", **self.sections()})
        build_kd_loss(config)
        if config.phases is not None and self.num_random is not None:
            names = ", ".join(phase.name for phase in config.phases)
            raise ConfigError(
                f"num_random: each phase ({names}) says which archs it trains; give it there, as in "
                "phases={'shrink': {'sampler': {'num_random': 1}}}"
            )

    def sections(self) -> dict[str, Any]:
        """What the strategy says of a run, as its YAML has it."""
        sampler = {} if self.num_random is None else {"num_random": self.num_random}
        sections = {"recipe": self.recipe, "kd": self.kd, "phases": self.phases, "sampler": sampler}
        return {name: section for name, section in sections.items() if section}

    def run_config(self, evaluator: AccelerateEvaluator, supernet: Supernet) -> RunConfig:
        """The run as `alphanet train` would read it.

        Raises:
            ConfigError: A phase has a fixed teacher, and the space is none of ours; or the images have other channels.
        """
        if not isinstance(supernet.space, LabelSpace):
            config = evaluator.run_config(**self.sections(), space=space_section(supernet.space))
            if config.data.in_chans != supernet.space.in_chans:
                raise ConfigError(
                    f"data.in_chans of the evaluator is {config.data.in_chans}, and the space's networks take images "
                    f"of {supernet.space.in_chans}; build it by ElasticSpace({{'name': ..., 'in_chans': "
                    f"{config.data.in_chans}}})"
                )
            return config
        config = evaluator.run_config(**self.sections())
        for phase in config.phases or ():
            if phase.teacher != FIRST:
                raise ConfigError(f"phases.{phase.name}.teacher: a space of NNI's learns from its first pass alone")
        return config

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
        if isinstance(model_space.model_space, ElasticSpace):
            supernet = rebuild_supernet(model_space.model_space, config)
        self.training = SupernetTraining(config, supernet, self._candidates(supernet), self.own)
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
            raise RuntimeError("the strategy has not been run; run its experiment first")
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
    """Recipe ``alphanet``, or another one, with adaptive alpha-divergence (AlphaNet, ICML 2021, algorithm 1).

    ``alpha_min``, ``alpha_max``, ``clip``, ``form`` and ``temperature`` are those of `config.AdaptiveAlphaConfig`; the
    rest is `SupernetStrategy`'s.
    """

    default_kd = "adaptive_alpha"


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
    if get_space(**section, in_chans=space.in_chans).to_config() != whole:
        raise ValueError(f"a run's space section has {', '.join(section)} alone, and cannot hold {space!r}")
    return section


def as_supernet(model_space: Any) -> Supernet:
    """The supernet of a model space: our own of `ElasticSpace`, any other mutated by NNI's path sampling."""
    if not isinstance(model_space, ElasticSpace):
        return OneShotSupernet(model_space)
    if model_space.face != "fast":
        raise ValueError("the native face is for DARTS and its kin; build ElasticSpace with face='fast'")
    return cast(Supernet, model_space.network.supernet)


def rebuild_supernet(model_space: ElasticSpace, config: RunConfig) -> Supernet:
    """Give the fast face a supernet as the run has it, with its dropout and kernel transform; returns it.

    The weights come along, unless the configuration says how they begin.

    Raises:
        ConfigError: The space's supernet has no such option.
    """
    network = cast(ElasticModule, model_space.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        supernet = build_model(config, model_space.num_classes)
    if replace(config.supernet, kernel_transform=False) == SupernetConfig():
        supernet.load_state_dict(network.supernet.state_dict())
    network.supernet = supernet
    return supernet


def nni_sample(supernet: Supernet, arch: Arch) -> dict[str, Any]:
    """NNI's sample of one of its archs."""
    space = supernet.space
    return space.sample_of(arch) if isinstance(space, LabelSpace) else sample_of(space, arch)
