"""What the YAML file of a picture of divergences may say (Figure 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .require import expand_user
from .require import require as _require


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
