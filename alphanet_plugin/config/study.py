"""What a study's YAML file may say: a grid of recipes and seeds on one data set, or Figure 2's divergences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import brief
from .require import expand_user, require_seed
from .require import require as _require

_IN_A_PICTURE = 10  # as many colours as the eye tells apart


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """One recipe of a study, a row of its table.

    Attributes:
        name: As the table shows it.
        set: What it sets in its run's configuration, over the study's and the group's `set`.
        measure: In place of the study's and the group's, where a recipe trains other archs than the others do.
    """

    name: str
    set: dict[str, Any] = field(default_factory=dict)
    measure: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class TeacherRunConfig:
    """A run of one network that teaches those of a group.

    Attributes:
        base: As the study's.
        set: What it sets in it.
    """

    base: str | dict[str, Any]
    set: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupConfig:
    """What every arm of a study is tried on, such as one network; a table of its own.

    Attributes:
        name: As the table shows it.
        base: In place of the study's.
        set: Over the study's `set`.
        measure: In place of the study's.
        teacher: Of kind ``network``: a run that is made first, and whose network teaches those of the group. None
            where the configuration names a trained one.
    """

    name: str
    base: str | dict[str, Any] | None = None
    set: dict[str, Any] = field(default_factory=dict)
    measure: tuple[str, ...] | None = None
    teacher: TeacherRunConfig | None = None


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """One picture of a study, drawn for each group.

    Attributes:
        kind: ``measured`` (accuracy of `measure` over MFLOPs), ``pareto`` (fronts of the searches, Figure 3a),
            ``curves`` (3b and c, of training), ``boxes`` (4, random subnets by MFLOPs), or ``relative`` (6, the best
            random subnet of each band of MFLOPs less the baseline's).
        name: Of its file, without ``.png``; its kind by default.
        title: Above it; the study's by default.
        arms: Which to show; all by default.
    """

    kind: Literal["measured", "pareto", "curves", "boxes", "relative"]
    name: str | None = None
    title: str | None = None
    arms: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A grid of runs: groups x arms x seeds.

    `set` and those of groups and arms are merged into the base key by key. A section whose ``name`` another one
    replaces (``kd: {name: none}``) is replaced as a whole, as its other keys belong to the old name.

    Attributes:
        kind: What its runs are: ``supernet``, of `RunConfig`, or ``network``, of `NetworkRunConfig`.
        output: Folder of the study: table, results, pictures.
        title: Of the table and the pictures.
        seeds: One run for each, of every arm in every group.
        base: A run's configuration: a path such as ``configs/digits.yaml``, or keys and values.
        set: What all runs set in it.
        groups: Networks or data that all arms are tried on; by default one without a name.
        arms: Recipes to compare.
        baseline: The arm that the others are compared with, in each group; None for no comparison.
        measure: Archs whose test accuracy the table shows: presets, ``largest``, ``smallest``, or printed archs.
        summary: The table's last column: ``mean`` of the accuracies of `measure`, or ``pareto``, the area under them
            over normalised multiply-adds (DepS's mean Pareto accuracy).
        random_subnets: So many archs more, the same in every run of a group, measured on the search images.
        regimes: Bands of MFLOPs, equally wide from the smallest arch to the largest, that share `random_subnets`.
        search: Search every run's supernet, as its configuration says.
        curve_epochs: Measure the smallest and the largest arch on the search images every so many epochs.
        runs: Folder of the runs, which studies may share: equal runs are made once. OUTPUT/runs by default.
        workers: Runs at a time, each a process; by default as many as there are cores, and one on a GPU or with
            `launch`.
        launch: What starts a run's training on several ranks, such as ``accelerate launch --multi_gpu``; what is
            started is ``-m alphanet_plugin.studies RUN``. None to train in the study's own processes.
        pictures: Which to draw.
        keep_weights: Whether finished runs keep their supernet's weights, to be measured further.
    """

    kind: Literal["supernet", "network"] = "supernet"
    output: str
    title: str = ""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    base: str | dict[str, Any]
    set: dict[str, Any] = field(default_factory=dict)
    groups: tuple[GroupConfig, ...] = ()
    arms: tuple[ArmConfig, ...]
    baseline: str | None = None
    measure: tuple[str, ...] = ()
    summary: Literal["mean", "pareto"] = "mean"
    random_subnets: int = 0
    regimes: int = 5
    search: bool = False
    curve_epochs: int | None = None
    runs: str | None = None
    workers: int | None = None
    launch: str | None = None
    pictures: tuple[PictureConfig, ...] = ()
    keep_weights: bool = True

    def __post_init__(self) -> None:
        expand_user(self, "output", "runs")
        for seed in self.seeds:
            require_seed(seed)
        _require(len(self.seeds) > 0, "seeds must name at least one")
        _require(len(self.arms) > 0, "arms must name at least one")
        _check_distinct("seeds", [str(seed) for seed in self.seeds])
        _check_distinct("arms", [arm.name for arm in self.arms])
        _check_distinct("groups", [group.name for group in self.groups])
        for group in self.groups:
            _require(group.teacher is None or self.kind == "network", "groups: a teacher is of studies of kind network")
        names = ", ".join(arm.name for arm in self.arms)
        _require(
            self.baseline is None or self.baseline in [arm.name for arm in self.arms],
            f"baseline must be one of the arms ({names}), not {brief(self.baseline)}",
        )
        _require(self.random_subnets >= 0, f"random_subnets must be 0 or more, not {self.random_subnets}")
        _require(self.regimes >= 1, f"regimes must be at least 1, not {self.regimes}")
        for name in ("curve_epochs", "workers"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be at least 1, not {value}")
        _require(
            not self.launch or self.workers in (None, 1), f"with launch there is one run at a time, not {self.workers}"
        )
        for picture in self.pictures:
            self._check_picture(picture)
        _check_distinct("pictures", [picture.name or picture.kind for picture in self.pictures])

    def _check_picture(self, picture: PictureConfig) -> None:
        needed = {
            "measured": "measure",
            "pareto": "search",
            "curves": "curve_epochs",
            "boxes": "random_subnets",
            "relative": "random_subnets",
        }
        key = needed[picture.kind]
        parts = (self.arms, self.groups) if key == "measure" else ()  # which may each say their own
        there = getattr(self, key) or any(of and all(one.measure for one in of) for of in parts)
        _require(bool(there), f"a picture of kind {picture.kind} needs {key}, which is not set")
        if picture.kind == "relative":
            _require(self.baseline is not None, "a picture of kind relative needs a baseline")
        names = [arm.name for arm in self.arms]
        count = len(picture.arms or names)
        _require(count <= _IN_A_PICTURE, f"a picture shows at most {_IN_A_PICTURE} arms; name fewer than {count}")
        for arm in picture.arms or ():
            _require(arm in names, f"pictures: {brief(arm)} is none of the arms {', '.join(names)}")


def _check_distinct(field_name: str, values: list[str]) -> None:
    for value in values:
        _require(values.count(value) == 1, f"{field_name} name {brief(value)} twice")


@dataclass(frozen=True, kw_only=True)
class ExampleConfig:
    """A teacher and a student on a few classes.

    Attributes:
        name: Of the example.
        teacher: p, a probability above 0 for each class; they add up to 1.
        student: q, the same.
    """

    name: str
    teacher: tuple[float, ...]
    student: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, values in (("teacher", self.teacher), ("student", self.student)):
            _require(len(values) >= 2 and all(value > 0 for value in values), f"{name} takes probabilities above 0")
            total = math.fsum(values)
            _require(abs(total - 1) < 1e-9, f"{name} must add up to 1, not {total:.6g}")
        _require(
            len(self.teacher) == len(self.student),
            f"teacher and student need as many classes, not {len(self.teacher)} and {len(self.student)}",
        )


@dataclass(frozen=True, kw_only=True)
class DivergencesConfig:
    """alpha-divergences of examples, by arithmetic: nothing is trained.

    Attributes:
        kind: ``divergences``.
        output: Folder of the table, the values and the picture.
        title: Of the picture.
        examples: At least one.
        alpha_min: Least alpha of the picture.
        alpha_max: Greatest alpha.
        points: How many alphas, evenly spaced, both ends included.
    """

    kind: Literal["divergences"]
    output: str
    title: str = "alpha-divergences"
    examples: tuple[ExampleConfig, ...]
    alpha_min: float = -2.0
    alpha_max: float = 2.0
    points: int = 401

    def __post_init__(self) -> None:
        expand_user(self, "output")
        _require(len(self.examples) > 0, "examples must name at least one")
        _require(
            self.alpha_min < self.alpha_max, f"alpha_min ({self.alpha_min}) must be below alpha_max ({self.alpha_max})"
        )
        _require(self.points >= 2, f"points must be at least 2, not {self.points}")
