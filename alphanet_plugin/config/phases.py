"""What a run's phases may say: the ``phases`` section, a list whose entries are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import brief
from .kd import KDConfig
from .require import require
from .samplers import LargestConfig, SamplerConfig

Share = float | str
"""A share such as ``0.5``, or as a fraction such as ``180/605``, where the two numbers say more."""


def share_of(value: Share, name: str = "share") -> float:
    """A share as a number.

    Raises:
        ValueError: It is none; the message names it.
    """
    try:
        numerator, _, denominator = str(value).partition("/")
        share = float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name} must be a share such as 0.5 or 180/605, not {brief(value)}") from None
    require(0 <= share < float("inf"), f"{name} must be 0 or more, not {brief(value)}")
    return share


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What a pass learns: (1 - weight) CE + weight KD; see `alphanet_plugin.losses.Objective`.

    Attributes:
        weight: b: 0 for the labels alone, 1 for the teacher alone.
        sum_up: CE + weight KD in its place, as once-for-all has it.
        label_smoothing: Of the cross entropy; None for the run's.
        kd: The divergence from the teacher; None for the run's ``kd`` section.
    """

    weight: float
    sum_up: bool = False
    label_smoothing: float | None = None
    kd: KDConfig | None = None

    def __post_init__(self) -> None:
        for name in ("weight", "label_smoothing"):
            value = getattr(self, name)
            require(value is None or 0 <= value <= 1, f"{name} must be from 0 to 1, not {value}")


@dataclass(frozen=True, kw_only=True)
class RampConfig:
    """A factor of the gradients of all passes but the first, which grows to 1 (DepS's epsilon).

    Attributes:
        first: Its first value; None for the first of equal increments.
        length: Over which share of the phase it grows ...
        steps: ... or over how many steps.
        delay: The share of the phase before it begins to grow; until then it is ``first``.
        form: ``linear``, or ``released``: factor times learning rate grows linearly, as in DepS's program.
    """

    first: float | None = None
    length: Share | None = None
    steps: int | None = None
    delay: Share = 0.0
    form: Literal["linear", "released"] = "linear"

    def __post_init__(self) -> None:
        require((self.length is None) != (self.steps is None), "give length, a share, or steps; one of them")
        require(self.steps is None or self.steps >= 1, f"steps must be at least 1, not {self.steps}")
        require(self.first is None or 0 <= self.first <= 1, f"first must be from 0 to 1, not {self.first}")
        require(
            share_of(self.length or 0, "length") + share_of(self.delay, "delay") <= 1 + 1e-9,
            f"the ramp is longer than its phase: length {self.length} and delay {self.delay} may be 1 together",
        )
        require(self.first is None or self.form == "linear", "first belongs to form linear alone")


@dataclass(frozen=True, kw_only=True)
class RateConfig:
    """The learning rate of a phase, and of those after it that name none: their curve is one.

    Attributes:
        form: ``cosine`` to 0 at the end, ``exponential``, or ``constant``.
        factor: Multiplies ``training.lr``.
        warmup: Share of the steps with a linear warm-up.
        warmup_start: Share of the peak that it begins at.
        floor: Share of the peak that the rate does not fall below.
        part: The share of its curve that the steps are: a cosine with 0.3 stops after three tenths of its way.
        decay: ``exponential``: the factor by which the rate falls ...
        every: ... in this share of the steps, ...
        by: ... at every ``step``, or at the beginning of every ``epoch``.
    """

    form: Literal["cosine", "exponential", "constant"] = "cosine"
    factor: Share = 1.0
    warmup: Share = 0.0
    warmup_start: Share = 0.0
    floor: Share = 0.0
    part: Share = 1.0
    decay: float = 0.97
    every: Share = "2.4/360"
    by: Literal["step", "epoch"] = "step"

    def __post_init__(self) -> None:
        for name in ("factor", "warmup", "warmup_start", "floor", "part", "every"):
            share = share_of(getattr(self, name), name)
            require(share > 0 or name not in ("factor", "part", "every"), f"{name} must be above 0, not {share:g}")
            require(share <= 1 or name == "factor", f"{name} must be at most 1, not {share:g}")
        require(0 < self.decay <= 1, f"decay must be above 0 and at most 1, not {self.decay}")


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A stretch of a run's steps.

    Attributes:
        name: Of the phase, for ``teacher``, the log and ``--set phases.NAME.key=value``.
        share: Of the run's steps; one phase may leave it out and takes what the others leave.
        steps: The same as a number of steps.
        sampler: Which archs a step trains; None for the run's.
        choices: Candidates that are left of some genes in this phase, as in the ``space`` section; null for all,
            where a recipe says otherwise.
        keep_largest: How many of the largest candidates are left of each gene of a field: ``{depth: 1}``.
        follow: Genes that others decide in this phase, as in the ``space`` section.
        one_resolution: All archs of a step have one resolution, drawn anew for every step.
        teacher: Whose logits are learnt from: ``first``, those of the step's first pass; the name of an earlier phase,
            for the largest arch of it as it was at its end; or a network, by its folder or timm name.
        teacher_statistics: BatchNorm's in a teacher that is an earlier phase's: of the ``batch``, as once-for-all's
            program has it, or ``recalibrated`` on training images.
        first: What a step's first pass learns; None for the labels.
        others: What its other passes learn; None for the teacher alone, or with kd ``none`` for the labels.
        scale: A ramp of the other passes' gradients; None for 1.
        rate: The learning rate; None to go on with the curve of the phase before, and in the first phase for the
            cosine with ``training.warmup_epochs``.
        optimizer: ``sgd`` with Nesterov's momentum, or another of timm's by name; None for the run's.
        restart: Whether momentum and the like begin anew; another optimizer than in the phase before always does.
        sort_channels: Sort the channels that smaller expand ratios leave out at the phase's beginning; the number says
            how many of the smaller ratios are trained already. None for not.
        kernel_transform: Whether a kernel transform's matrices ``train``, or stay as they are: ``freeze``.
        drop: Which passes dropout and stochastic depth act in: the ``first``, ``all`` or ``none``.
    """

    name: str
    share: Share | None = None
    steps: int | None = None
    sampler: SamplerConfig | None = None
    choices: Mapping[str, Any] | None = field(default=None, hash=False)
    keep_largest: Mapping[str, Any] | None = field(default=None, hash=False)
    follow: Mapping[str, Any] | None = field(default=None, hash=False)
    one_resolution: bool = False
    teacher: str = "first"
    teacher_statistics: Literal["batch", "recalibrated"] = "batch"
    first: ObjectiveConfig | None = None
    others: ObjectiveConfig | None = None
    scale: RampConfig | None = None
    rate: RateConfig | None = None
    optimizer: str | None = None
    restart: bool = False
    sort_channels: int | None = None
    kernel_transform: Literal["train", "freeze"] = "train"
    drop: Literal["first", "all", "none"] = "first"

    def __post_init__(self) -> None:
        plain = self.name.replace("_", "").replace("-", "").isalnum()
        require(
            plain and self.name != "first",
            f"name must be letters, digits, _ or -, and not first, not {brief(self.name)}",
        )
        require(self.share is None or self.steps is None, "give share or steps, not both")
        require(
            self.share is None or 0 < share_of(self.share) <= 1,
            f"share must be above 0 and at most 1, not {self.share}",
        )
        require(self.steps is None or self.steps >= 1, f"steps must be at least 1, not {self.steps}")
        require(
            self.sort_channels is None or self.sort_channels >= 0,
            f"sort_channels must be 0 or more, not {self.sort_channels}",
        )
        for key, value in (self.keep_largest or {}).items():
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            require(whole, f"keep_largest.{key} must be a number of candidates, at least 1, not {brief(value)}")

    @property
    def alone(self) -> bool:
        """Whether a step trains the largest arch and no other."""
        return isinstance(self.sampler, LargestConfig)


def check_phases(phases: tuple[PhaseConfig, ...]) -> None:
    """ValueError where names repeat, a teacher is of a later phase, or shares do not add up."""
    require(len(phases) > 0, "phases must hold at least one; leave the key out for a run of one phase")
    names = [phase.name for phase in phases]
    for number, phase in enumerate(phases):
        require(
            phase.name not in names[:number], f"phases[{number}].name: {phase.name} is an earlier one's; give another"
        )
        require(
            phase.teacher not in names[number:],
            f"phases.{phase.name}.teacher: {phase.teacher} must be an earlier phase, which ends before this one begins"
            + (f" ({', '.join(names[:number])})" if number else "; there is none before the first"),
        )
        require(
            phase.scale is None or not phase.alone, f"phases.{phase.name}.scale: it has one pass a step; leave it out"
        )
    require(
        phases[0].sort_channels is None,
        f"phases.{names[0]}.sort_channels: nothing is trained yet to sort by; leave it out of the first phase",
    )
    open_ones = [phase.name for phase in phases if phase.share is None and phase.steps is None]
    require(
        len(open_ones) <= 1,
        f"phases: {', '.join(open_ones)} have neither share nor steps; give one of the two to all but one phase",
    )
    total = sum(share_of(phase.share) for phase in phases if phase.share is not None)
    exact = not open_ones and all(phase.steps is None for phase in phases)
    require(total <= 1 + 1e-6, f"phases: the shares are more than 1 together ({total:g})")
    require(not exact or total >= 1 - 1e-6, f"phases: the shares add up to {total:g}, not 1; one may be left out")
