"""What a run will do, phase by phase, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import RunConfig
from ..report import PhaseCurve, markdown_lines, plot_timeline
from ..samplers import LargestSampler, OneResolution
from ..schedules import Timeline
from ..spaces import Arch, SearchSpace
from ..training import FIRST, GlobalBatch, SupernetPhase
from ..training.cost import StepCost, step_cost
from .building import build_data, build_space
from .run_folder import RunFolder
from .timeline import build_timeline

_LOOKED_AT = 64  # steps of a phase whose archs are drawn; the rest cost as much on average
_DRAWN = 400  # points of a phase's curves


@dataclass(frozen=True, kw_only=True)
class PhasePlan:
    """What a phase does.

    Attributes:
        name: Of the phase.
        steps: How many.
        epochs: The same in passes over the training images.
        networks: Archs that a step trains.
        archs: How many different networks the phase draws from.
        teacher: Who teaches.
        lr: The learning rate of the first, the highest and the last step.
        scale: The factor of the students' gradients at the first and the last step; None where there are no students.
        forwards: Forward passes of all steps, per image of an epoch.
        backwards: Backward passes, the same.
        gmacs: Multiply-adds / 1e9 of all steps: a backward pass counts as two forward ones.
    """

    name: str
    steps: int
    epochs: float
    networks: int
    archs: int
    teacher: str
    lr: tuple[float, float, float]
    scale: tuple[float, float] | None
    forwards: float
    backwards: float
    gmacs: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does.

    Attributes:
        timeline: Its phases.
        phases: What each of them does.
        steps_per_epoch: Steps of an epoch.
    """

    timeline: Timeline[SupernetPhase]
    phases: Sequence[PhasePlan]
    steps_per_epoch: int


def plan_run(config: RunConfig, num_images: int | None = None, processes: int = 1) -> Plan:
    """The plan of a run; nothing is trained.

    Multiply-adds are those of archs as they will be drawn, of 64 steps of each phase.

    Args:
        config: The run.
        num_images: Training images; None to count those that are here, with their classes.
        processes: Ranks.

    Raises:
        ConfigError: A phase that makes no sense, or the images are not here.
    """
    splits = build_data(config) if num_images is None else None
    training = config.training
    batch = GlobalBatch(
        batch_size=training.batch_size,
        accumulate=training.accumulate or 1,
        processes=processes,
        num_images=num_images or len(splits.train),  # type: ignore[union-attr]
    )
    classes = splits.num_classes if splits else 1000
    timeline = build_timeline(config, batch.steps_per_epoch, images_per_step=batch.images, num_classes=classes)
    space = build_space(config)
    phases = [_plan(phase, space, batch.steps_per_epoch, batch.images, classes) for phase in timeline.phases]
    return Plan(timeline=timeline, phases=phases, steps_per_epoch=batch.steps_per_epoch)


def draw_plan(plan: Plan, config: RunConfig) -> Path:
    """Draw a plan into the run's folder, as ``plan.png``."""
    curves = []
    for phase, facts in zip(plan.timeline.phases, plan.phases, strict=True):
        count = min(len(phase.steps), _DRAWN)
        steps = sorted({phase.steps[place * (len(phase.steps) - 1) // max(1, count - 1)] for place in range(count)})
        curves.append(PhaseCurve(
            name=phase.name,
            epochs=(phase.steps.start / plan.steps_per_epoch, phase.steps.stop / plan.steps_per_epoch),
            at=[step / plan.steps_per_epoch for step in steps],
            lr=[phase.rate.lr(step) for step in steps],
            scale=None if facts.scale is None else [phase.scale(step) for step in steps],
            networks=facts.networks,
        ))  # fmt: skip
    path = RunFolder(Path(config.output)).path / "plan.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return plot_timeline(curves, path, title=f"{config.recipe or 'one phase'}, {config.training.epochs} epochs")


def _plan(phase: SupernetPhase, space: SearchSpace, per_epoch: int, images: int, num_classes: int) -> PhasePlan:
    count = len(phase.steps)
    looked_at = [phase.steps[place * count // min(count, _LOOKED_AT)] for place in range(min(count, _LOOKED_AT))]
    costs = [_cost(phase, space, step, num_classes) for step in looked_at]
    sums = {key: sum(getattr(cost, key) or 0 for cost in costs) for key in ("forwards", "backwards", "macs")}
    mean = {key: value / len(costs) for key, value in sums.items()}
    rates = [phase.rate.lr(step) for step in (*looked_at, phase.steps[-1])]
    students = costs[0].backwards > 1
    inner = phase.sampler.sampler if isinstance(phase.sampler, OneResolution) else phase.sampler
    ends = (phase.scale(phase.steps[0]), phase.scale(phase.steps[-1])) if students else None
    return PhasePlan(
        name=phase.name,
        steps=count,
        epochs=count / per_epoch,
        networks=costs[0].backwards,
        archs=1 if isinstance(inner, LargestSampler) else getattr(inner, "space", space).num_archs,
        teacher=phase.teacher if phase.teacher != FIRST else "first pass" if students else "none",
        lr=(rates[0], max(rates), rates[-1]),
        scale=ends,
        forwards=mean["forwards"] * count / per_epoch,
        backwards=mean["backwards"] * count / per_epoch,
        gmacs=mean["macs"] * count * images / 1e9,
    )


def _cost(phase: SupernetPhase, space: SearchSpace, step: int, num_classes: int) -> StepCost:
    sampler = phase.sampler
    ranked: list[Arch] = []

    def losses_of(archs: Sequence[Arch]) -> list[float]:
        ranked.extend(archs)
        return [0.0] * len(archs)

    archs = sampler.choose(step, losses_of)
    return step_cost(space, archs, ranked, phase=phase, num_classes=num_classes)


def plan_table(plans: Sequence[PhasePlan]) -> str:
    """A plan in Markdown, readable as plain text too: a line for each phase, and the sums."""
    total = ["all", _num(sum(p.epochs for p in plans)), str(sum(p.steps for p in plans)), "", "", "", "", "",
             _num(sum(p.forwards for p in plans)), _num(sum(p.backwards for p in plans)),
             _num(sum(p.gmacs for p in plans) / 1e3)]  # fmt: skip
    rows = [
        [
            plan.name, _num(plan.epochs), str(plan.steps), str(plan.networks), _num(plan.archs), plan.teacher,
            " to ".join(_num(rate) for rate in (plan.lr[0], plan.lr[-1])),
            "" if plan.scale is None else " to ".join(map(_num, plan.scale)),
            _num(plan.forwards), _num(plan.backwards), _num(plan.gmacs / 1e3),
        ]
        for plan in plans
    ]  # fmt: skip
    header = ["phase", "epochs", "steps", "networks a step", "of archs", "teacher", "rate", "students' scale",
              "forwards an image", "backwards", "multiply-adds (T)"]  # fmt: skip
    return markdown_lines([header, *rows, total])


def _num(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else f"{value:.4g}"
