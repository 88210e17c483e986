"""What a study has yielded so far, and the figures of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..report import mean_pareto_accuracy
from .cell_kind import CellOutcome
from .grid import Cell
from .statistics import Difference, Summary, holm, paired_difference, summarise

MEAN = "mean"
"""The column that averages all measured archs of a run, where they are several."""
PARETO = "mean Pareto"
"""The same by the area under them (DepS, Table 2)."""


@dataclass(frozen=True)
class Figure:
    """One place of a study's table.

    Attributes:
        group: Which network or data set.
        arm: Which recipe.
        column: Which arch, or ``mean``, or ``mean Pareto``.
        mflops: Of the arch, multiply-adds / 1e6; None of a mean.
        top1: Test accuracy in per cent over seeds.
        difference: To the baseline's, paired by seed; None for the baseline itself.
        p_holm: The difference's p-value, corrected by Holm for all arms of the group; of the last column only.
    """

    group: str
    arm: str
    column: str
    mflops: float | None
    top1: Summary
    difference: Difference | None = None
    p_holm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(self)
        if self.difference:
            values["difference"]["significant"] = self.difference.significant
        return values


@dataclass(frozen=True)
class StudyResults:
    """Finished runs of a study with their outcomes, and those that are not finished.

    Attributes:
        runs: In the order of the grid.
        missing: The rest.
        teachers: Finished runs whose networks teach, with their outcomes.
        summary: The table's last column, ``mean`` or ``mean Pareto``.
    """

    runs: Sequence[tuple[Cell, CellOutcome]]
    missing: Sequence[Cell]
    teachers: Sequence[tuple[Cell, CellOutcome]] = ()
    summary: str = MEAN

    @property
    def groups(self) -> list[str]:
        """Names of those of which anything is finished, in the order of the grid."""
        return list(dict.fromkeys(cell.group for cell, _ in self.runs))

    def outcomes(self, group: str) -> dict[str, dict[int, CellOutcome]]:
        """Name of an arm -> seed -> outcome, of a group's finished runs."""
        by_arm: dict[str, dict[int, CellOutcome]] = {}
        for cell, outcome in self.runs:
            if cell.group == group:
                by_arm.setdefault(cell.arm, {})[cell.seed] = outcome
        return by_arm

    def costs(self, group: str) -> dict[str, dict[str, float]]:
        """Name of an arm -> mean cost of training over its seeds, of runs that say."""
        by_arm: dict[str, dict[str, float]] = {}
        for arm, outcomes in self.outcomes(group).items():
            known = [outcome.cost for outcome in outcomes.values() if outcome.cost.get("gmacs")]
            if known:
                by_arm[arm] = {key: sum(cost[key] for cost in known) / len(known) for key in known[0]}
        return by_arm

    def figures(self, baseline: str | None) -> list[Figure]:
        """The table, group by group, arm by arm, column by column, ``mean`` last; only of what is finished."""
        table = []
        for group in self.groups:
            figures = self._group(group, baseline)
            table += _corrected(figures)
        return table

    def _group(self, group: str, baseline: str | None) -> list[Figure]:
        by_arm, figures = self.outcomes(group), []
        for arm, outcomes in by_arm.items():
            columns = list(next(iter(outcomes.values())).columns)
            for column in [*columns, self.summary] if len(columns) > 1 else columns:
                values = {seed: _top1(outcome, column) for seed, outcome in outcomes.items()}
                bases = by_arm.get(baseline or "", {})
                base = {
                    seed: _top1(outcome, column)
                    for seed, outcome in bases.items()
                    if column == self.summary or column in outcome.columns
                }
                mflops = None if column == self.summary else next(iter(outcomes.values())).columns[column].get("mflops")
                difference = paired_difference(values, base) if arm != baseline else None
                figures.append(Figure(group, arm, column, mflops, summarise(list(values.values())), difference))
        return figures


def _corrected(figures: list[Figure]) -> list[Figure]:
    """With `p_holm` in the last column, which is ``mean`` where there are several."""
    if not figures:
        return figures
    last = figures[-1].column
    tested = [
        n for n, one in enumerate(figures) if one.column == last and one.difference and one.difference.p is not None
    ]
    for n, p in zip(tested, holm([figures[n].difference.p for n in tested]), strict=True):  # type: ignore[union-attr]
        figures[n] = replace(figures[n], p_holm=p)
    return figures


def _top1(outcome: CellOutcome, column: str) -> float:
    if column in outcome.columns:
        return outcome.columns[column]["top1"]
    accuracies = [metrics["top1"] for metrics in outcome.columns.values()]
    if column == PARETO:
        return mean_pareto_accuracy([metrics["mflops"] for metrics in outcome.columns.values()], accuracies)
    return sum(accuracies) / len(accuracies)
