"""Who has children in the next round of an evolution."""

from collections.abc import Iterable

import numpy as np

from .evaluated import Evaluated
from .pareto import cheapest_first, split_front
from .spread import spread_indices

RANKS = ("pareto", "accuracy")


def select_parents(
    points: Iterable[Evaluated], count: int, *, rank: str = "pareto", metric: str = "top1"
) -> list[Evaluated]:
    """At most `count` parents; the order of `points` has no say.

    Args:
        points: Subnets within the range that is searched.
        count: How many.
        rank: ``"accuracy"`` takes the best by `metric`, as the AlphaNet paper words it (section 4.2), the cheaper of
            equals first. ``"pareto"`` takes one non-dominated front of (MFLOPs, metric) after the other, which keeps
            the cheap end alive, as the AttentiveNAS evolution does with its Pareto set; of the last front only as
            many as fit, evenly over MFLOPs.
        metric: The more the better.
    """
    if rank not in RANKS:
        raise ValueError(f"rank: {rank!r} is not known; choose from {', '.join(RANKS)}")
    ordered = cheapest_first(points, metric)
    if rank == "accuracy":
        return sorted(ordered, key=lambda point: -point.score(metric))[:count]
    return _peel_fronts(ordered, count, metric)


def _peel_fronts(ordered: list[Evaluated], count: int, metric: str) -> list[Evaluated]:
    parents: list[Evaluated] = []
    while ordered and len(parents) < count:
        front, ordered = split_front(ordered, metric)
        positions = np.asarray([point.mflops for point in front])
        parents += [front[index] for index in spread_indices(positions, count - len(parents))]
    return parents
