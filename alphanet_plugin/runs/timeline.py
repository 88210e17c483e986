"""A configuration's phases become a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..config import ObjectiveConfig, PhaseConfig, RateConfig, RunConfig, share_of
from ..errors import ConfigError
from ..losses import KDLoss, Objective
from ..nearest import did_you_mean
from ..samplers import OneResolution, Sampler
from ..schedules import PhaseRate, Ramp, Schedule, Timeline, WarmupCosine
from ..spaces import AnyGene, ContinuousGene, SearchSpace, get_space
from ..training import FIRST, GlobalBatch, SupernetPhase
from .building import build_space, kd_loss_of, sampler_of

_MATRICES = "_matrix"
"""End of the names of a kernel transform's matrices."""


def build_timeline(
    config: RunConfig,
    steps_per_epoch: int,
    *,
    images_per_step: int | None = None,
    num_classes: int = 1000,
    space: SearchSpace | None = None,
    sampler: Sampler | None = None,
    kd_loss: KDLoss | None = None,
    objective: Objective | None = None,
) -> Timeline[SupernetPhase]:
    """The phases of a run: ``.at(step)``, ``.lr(step)``, ``.at(step).scale(step)``.

    Args:
        config: The run; without ``phases`` there is one, which its other sections describe.
        steps_per_epoch: Steps of an epoch.
        images_per_step: Images of all ranks in a step, which the rate grows with; those of one process by default.
        num_classes: Outputs of the classifier, which count where archs are drawn by their cost.
        space: In place of the run's.
        sampler: In place of the run's; phases that name one have that.
        kd_loss: In place of the run's ``kd`` section; objectives that name one have that.
        objective: Of all passes that learn from a teacher, in place of what their phases say.

    Raises:
        ConfigError: A phase that makes no sense in this run; the message names its key.
    """
    return _Builder(
        config, steps_per_epoch, images_per_step, num_classes, space, sampler, kd_loss, objective
    ).timeline()


class _Builder:
    """`build_timeline`, whose arguments these are."""

    def __init__(
        self,
        config: RunConfig,
        steps_per_epoch: int,
        images_per_step: int | None,
        num_classes: int,
        space: SearchSpace | None,
        sampler: Sampler | None,
        kd_loss: KDLoss | None,
        own_objective: Objective | None,
    ):
        training = config.training
        images = images_per_step or training.batch_size * (training.accumulate or 1)
        self.config, self.num_classes, self.sampler = config, num_classes, sampler
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = training.epochs * steps_per_epoch
        self.lr = training.lr * GlobalBatch(batch_size=images).lr_scale
        self.space = space or build_space(config)
        self.kd = kd_loss or kd_loss_of(config.kd)
        self.own_objective = own_objective

    def timeline(self) -> Timeline[SupernetPhase]:
        if self.config.phases is None:
            return Timeline([self._whole_run()])
        phases = self.config.phases
        if self.sampler and all(phase.sampler for phase in phases):
            raise ConfigError("sampler: each phase names one of its own; leave it out of a phase that shall take yours")
        steps = _steps(phases, self.total_steps)
        rates = self._rates(phases, steps)
        taught_by = {phase.teacher for phase in phases}
        built = [self._phase(*one) for one in zip(phases, steps, rates, strict=True)]
        return Timeline([replace(phase, keep_teacher=phase.name in taught_by) for phase in built])

    def _whole_run(self) -> SupernetPhase:
        return SupernetPhase(
            name="train",
            steps=range(self.total_steps),
            rate=self._default_rate(range(self.total_steps)),
            sampler=self.sampler or sampler_of(self.config.sampler, self.space, self.config.seed, self.num_classes),
            first=self._objective(ObjectiveConfig(weight=0)),
            others=self._objective(ObjectiveConfig(weight=1)),
            optimizer=self.config.training.optimizer,
        )

    def _phase(self, phase: PhaseConfig, steps: range, rate: Schedule) -> SupernetPhase:
        fixed = phase.teacher != FIRST
        self._check(phase)
        return SupernetPhase(
            name=phase.name,
            steps=steps,
            rate=rate,
            sampler=self._sampler(phase),
            first=self._objective(phase.first or ObjectiveConfig(weight=0), fixed, f"{phase.name}.first"),
            others=self._objective(phase.others or ObjectiveConfig(weight=1)),
            ramp=self._ramp(phase, steps, rate),
            drop=phase.drop,
            teacher=phase.teacher,
            foreign_teacher=fixed and phase.teacher not in [other.name for other in self.config.phases or ()],
            optimizer=phase.optimizer or self.config.training.optimizer,
            restart=phase.restart,
            sort_channels=phase.sort_channels,
            frozen=(_MATRICES,) if phase.kernel_transform == "freeze" else (),
        )

    def _check(self, phase: PhaseConfig) -> None:
        """ConfigError for what makes no sense in this run."""
        where = f"phases.{phase.name}"
        earlier = [other.name for other in self.config.phases or ()]
        if phase.teacher not in (FIRST, *earlier) and not Path(phase.teacher).expanduser().exists():
            _check_timm_name(phase.teacher, where, earlier)
        if phase.sort_channels is not None:
            ratios = _num_expand_ratios(self.space)
            if phase.sort_channels >= ratios or ratios < 2:
                raise ConfigError(
                    f"{where}.sort_channels: space {self.space.name} has "
                    + (
                        f"{ratios} expand ratios; give 0 to {ratios - 1}"
                        if ratios > 1
                        else "no middle channels to sort; leave the key out"
                    )
                )
        if phase.kernel_transform == "freeze" and not self.config.supernet.kernel_transform:
            raise ConfigError(
                f"{where}.kernel_transform: there is none to freeze; set supernet.kernel_transform to true, or leave "
                "this out"
            )

    # -- parts --------------------------------------------------------------------------------------------------------

    def _objective(self, objective: ObjectiveConfig, taught: bool = True, where: str = "") -> Objective:
        smoothing = objective.label_smoothing
        kd = self.kd if objective.kd is None else kd_loss_of(objective.kd)
        if where and objective.weight and not taught:
            raise ConfigError(
                f"phases.{where}.weight: the first pass of a step has no teacher but a fixed one; name an earlier "
                "phase as teacher, or leave weight at 0"
            )
        if self.own_objective is not None and objective.weight:
            return self.own_objective
        return Objective(
            kd,
            weight=objective.weight,
            label_smoothing=self.config.training.label_smoothing if smoothing is None else smoothing,
            sum_up=objective.sum_up,
        )

    def _sampler(self, phase: PhaseConfig) -> Sampler:
        space = _subspace(self.space, phase)
        own = None if phase.sampler or space is not self.space else self.sampler
        sampler = own or sampler_of(phase.sampler or self.config.sampler, space, self.config.seed, self.num_classes)
        return OneResolution(sampler, space, self.config.seed) if phase.one_resolution else sampler

    def _ramp(self, phase: PhaseConfig, steps: range, rate: Schedule) -> Ramp | None:
        scale = phase.scale
        if scale is None:
            return None
        start = steps.start + round(share_of(scale.delay) * len(steps))
        count = scale.steps or max(1, round(share_of(scale.length or 0) * len(steps)))
        if start + count > steps.stop:
            raise ConfigError(
                f"phases.{phase.name}.scale: the ramp of {count} steps is longer than what is left of its phase, "
                f"{steps.stop - start} of {len(steps)} steps; shorten it, or train more epochs"
            )
        ramp = range(start, start + count)
        return Ramp(steps=ramp, first=scale.first, form=scale.form, rate=rate, steps_per_epoch=self.steps_per_epoch)

    def _rates(self, phases: Sequence[PhaseConfig], steps: Sequence[range]) -> list[Schedule]:
        """The rate of each phase; a curve goes on over the phases after it that name none."""
        rates: list[Schedule] = []
        for number, phase in enumerate(phases):
            if number and phase.rate is None:
                rates.append(rates[-1])
                continue
            after = [n for n in range(number + 1, len(phases)) if phases[n].rate is not None]
            span = range(steps[number].start, steps[(after[0] if after else len(phases)) - 1].stop)
            rates.append(self._rate(phase.rate, span) if phase.rate else self._default_rate(span))
        return rates

    def _default_rate(self, steps: range) -> Schedule:
        """AlphaNet's, for a phase that begins the run."""
        warmup = min(self.config.training.warmup_epochs * self.steps_per_epoch, len(steps))
        return WarmupCosine(base_lr=self.lr, total_steps=len(steps), warmup_steps=warmup)

    def _rate(self, rate: RateConfig, steps: range) -> Schedule:
        return PhaseRate(
            peak=self.lr * share_of(rate.factor),
            steps=steps,
            form=rate.form,
            warmup_steps=round(share_of(rate.warmup) * len(steps)),
            warmup_start=share_of(rate.warmup_start),
            floor=share_of(rate.floor),
            length=round(len(steps) / share_of(rate.part)),
            decay=rate.decay,
            decay_steps=share_of(rate.every) * len(steps),
            stair_steps=self.steps_per_epoch if rate.by == "epoch" else 0,
        )


def _steps(phases: Sequence[PhaseConfig], total: int) -> list[range]:
    """The steps of each phase.

    Raises:
        ConfigError: They are more than the run has, or leave a phase none.
    """
    lengths = [
        phase.steps if phase.steps is not None else None if phase.share is None else share_of(phase.share) * total
        for phase in phases
    ]
    rest = total - sum(length for length in lengths if length is not None)
    ends: list[int] = [0]
    exact = 0.0
    for phase, length in zip(phases, lengths, strict=True):
        exact += rest if length is None else length
        ends.append(round(exact))
        if ends[-1] <= ends[-2]:
            raise ConfigError(
                f"phases.{phase.name} has no step: the run has {total}, and the phases before it take {ends[-2]}; give "
                "more training.epochs, or other shares or steps"
            )
    if ends[-1] != total:
        raise ConfigError(
            f"phases: they take {ends[-1]} steps and the run has {total} (training.epochs); let one phase have neither "
            "share nor steps, which then takes the rest"
        )
    return [range(*pair) for pair in pairwise(ends)]


def _subspace(space: SearchSpace, phase: PhaseConfig) -> SearchSpace:
    """The archs that a phase trains; the space itself where it takes all."""
    where = f"phases.{phase.name}"
    if not (phase.choices or phase.keep_largest or phase.follow):
        return space
    config = space.to_config()
    kept = {
        gene.name: _largest(gene, count, where)
        for field, count in (phase.keep_largest or {}).items()
        for gene in _genes_of(space, field, where)
    }
    own = {key: values for key, values in (phase.choices or {}).items() if values is not None}
    choices = {**(config.get("choices") or {}), **kept, **own}
    try:
        return get_space(**{**config, "choices": choices, **_given("follow", phase.follow, config)})
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _given(key: str, own: Mapping[str, Any] | None, config: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**(config.get(key) or {}), **(own or {})}
    return {key: joined} if joined else {}


def _largest(gene: AnyGene, count: int, where: str) -> list[Any]:
    if not isinstance(gene, ContinuousGene):
        return list(gene.choices[-count:])
    if count > 1:
        raise ConfigError(f"{where}.keep_largest.{gene.field}: a range has no {count} largest; give 1, or choices")
    return [gene.greatest, gene.greatest]


def _genes_of(space: SearchSpace, field: str, where: str) -> list[Any]:
    genes = [gene for gene in space.genes if gene.field == field]
    if not genes:
        known = ", ".join(dict.fromkeys(gene.field for gene in space.genes))
        raise ConfigError(f"{where}.keep_largest.{field}: space {space.name} decides no {field}, but {known}")
    return genes


def _num_expand_ratios(space: SearchSpace) -> int:
    """The most expand ratios that a block chooses from; 0 in a space without."""
    return max((len(gene.choices) for gene in space.genes if gene.field == "expand_ratio"), default=0)


def _check_timm_name(teacher: str, where: str, phases: Sequence[str]) -> None:
    import timm

    if not timm.is_model(teacher.partition(".")[0]):
        raise ConfigError(
            f"{where}.teacher: {teacher} is no earlier phase ({', '.join(phases)}), no folder of a published model, "
            "and no model of timm's; `first` is the first pass of a step; "
            + did_you_mean(teacher, ["first", *phases, *timm.list_models()], "timm.list_models() lists timm's")
        )
