"""Who has children in the next round of an evolution."""

from collections.abc import Iterable

import numpy as np

from .cost import Cost, mflops_cost
from .evaluated import Evaluated
from .pareto import best_of_bins, cheapest_first, split_front, spread_indices

RANKS = ("pareto", "accuracy", "bins")


def select_parents(
    points: Iterable[Evaluated],
    count: int,
    *,
    rank: str = "pareto",
    metric: str = "top1",
    cost: Cost = mflops_cost,
    bin_mflops: float = 10.0,
) -> list[Evaluated]:
    """At most `count` parents; the order of `points` has no say.

    Args:
        points: Subnets within the range that is searched.
        count: How many.
        rank: ``"accuracy"`` takes the best by `metric`, as the AlphaNet paper words it (section 4.2), the cheaper of
            equals first. ``"pareto"`` takes one non-dominated front of (cost, metric) after the other, which keeps
            the cheap end alive, as the AttentiveNAS evolution does with its Pareto set; of the last front only as
            many as fit, evenly over the cost. ``"bins"`` takes the best of each bin of MFLOPs, as the released
            example does; of more than `count` bins those evenly over MFLOPs.
        metric: The more the better.
        cost: Of ``"pareto"`` and among equals of ``"accuracy"``. Bins are of MFLOPs whatever it is.
        bin_mflops: Width of a bin.
    """
    if rank not in RANKS:
        raise ValueError(f"rank: {rank!r} is not known; choose from {', '.join(RANKS)}")
    if rank == "bins":
        best = best_of_bins(points, bin_mflops, metric)
        return [best[index] for index in spread_indices(np.asarray([point.mflops for point in best]), count)]
    ordered = cheapest_first(points, metric, cost)
    if rank == "accuracy":
        return sorted(ordered, key=lambda point: -point.score(metric))[:count]
    return _peel_fronts(ordered, count, metric, cost)


def _peel_fronts(ordered: list[Evaluated], count: int, metric: str, cost: Cost) -> list[Evaluated]:
    parents: list[Evaluated] = []
    while ordered and len(parents) < count:
        front, ordered = split_front(ordered, metric)
        positions = np.asarray([cost(point) for point in front])
        parents += [front[index] for index in spread_indices(positions, count - len(parents))]
    return parents
