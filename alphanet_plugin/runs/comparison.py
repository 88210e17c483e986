"""Runs side by side: accuracy along their Pareto sets and what their training cost (DepS, Table 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SearchError
from ..report import ABSENT, csv_lines, markdown_lines, mean_pareto_accuracy
from ..search import Evaluated
from .trained_run import TrainedRun, search_results
from .training_cost import TrainingCost, training_cost


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """A row of the table.

    Attributes:
        name: Of the run.
        points: (MFLOPs, search top-1 in percent), by MFLOPs.
        given: Whether the points are the space's presets, or the best that a search found in equal buckets.
        cost: Of its training.
        per_device_hour: Price of a device's hour; None where it is not said.
    """

    name: str
    points: Sequence[tuple[float, float]]
    given: bool
    cost: TrainingCost
    per_device_hour: float | None

    @property
    def mean_pareto(self) -> float:
        """See `alphanet_plugin.report.mean_pareto_accuracy`."""
        return mean_pareto_accuracy(*zip(*self.points, strict=True))

    @property
    def points_are(self) -> str:
        """Which networks the figures are of."""
        return f"{len(self.points)} presets" if self.given else f"best of {len(self.points)} buckets"


def compare_run(run: TrainedRun, buckets: int | None = None) -> ComparedRun:
    """A trained and searched run's row.

    Args:
        run: The run.
        buckets: Take the best subnet of so many equally wide buckets of MFLOPs; None for the space's presets, which a
            search evaluates first, or for 6 buckets where fewer than two of them were.

    Raises:
        SearchError: The run was not searched, or the search found too little.
    """
    found = {subnet.arch: subnet for subnet in search_results(run)}
    presets = [found[arch] for arch in run.space.presets.values() if arch in found]
    given = buckets is None and len({subnet.mflops for subnet in presets}) > 1
    chosen = presets if given else _best_of_buckets(list(found.values()), buckets or 6)
    points = sorted({subnet.mflops: subnet.metrics["top1"] for subnet in chosen}.items())
    if len(points) < 2:
        raise SearchError(
            f"{run.folder.path}: a search has evaluated {len(found)} subnets, too few to compare; run "
            f"`alphanet search {run.folder.path}`"
        )
    return ComparedRun(
        name=run.folder.path.name,
        points=points,
        given=given,
        cost=sum(training_cost(run.folder).values(), TrainingCost()),
        per_device_hour=run.config.cost.per_device_hour,
    )


def _best_of_buckets(subnets: Sequence[Evaluated], count: int) -> list[Evaluated]:
    if not subnets:
        return []
    low, high = (end(subnet.mflops for subnet in subnets) for end in (min, max))
    best: dict[int, Evaluated] = {}
    for subnet in subnets:
        bucket = min(count - 1, int((subnet.mflops - low) / (high - low) * count)) if high > low else 0
        if bucket not in best or subnet.metrics["top1"] > best[bucket].metrics["top1"]:
            best[bucket] = subnet
    return list(best.values())


_HEADER = ["run", "smallest (%)", "largest (%)", "mean Pareto (%)", "of", "epochs", "forwards (M)", "backwards (M)",
           "multiply-adds (T)", "wall time (h)", "device hours", "price"]  # fmt: skip


def _cells(run: ComparedRun) -> list[str]:
    cost = run.cost
    return [
        run.name, f"{run.points[0][1]:.2f}", f"{run.points[-1][1]:.2f}", f"{run.mean_pareto:.2f}", run.points_are,
        f"{cost.epochs:.1f}", f"{cost.forwards / 1e6:.4g}", f"{cost.backwards / 1e6:.4g}",
        f"{cost.gmacs / 1e3:.4g}" if cost.gmacs else ABSENT, f"{cost.seconds / 3600:.3g}", f"{cost.device_hours:.3g}",
        ABSENT if run.per_device_hour is None else f"{cost.device_hours * run.per_device_hour:.2f}",
    ]  # fmt: skip


def comparison_rows(compared: Sequence[ComparedRun]) -> list[list[str]]:
    """Titles, then a row for each run."""
    return [_HEADER, *map(_cells, compared)]


def comparison_table(compared: Sequence[ComparedRun]) -> str:
    """The rows in Markdown."""
    return markdown_lines(comparison_rows(compared))


def comparison_csv(compared: Sequence[ComparedRun]) -> str:
    """The rows as comma-separated values, titles first."""
    return csv_lines(comparison_rows(compared))
