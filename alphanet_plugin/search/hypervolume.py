"""One number for a Pareto set of cost and accuracy."""

from collections.abc import Iterable

from .cost import Cost, mflops_cost
from .evaluated import Evaluated
from .pareto import pareto_front


def hypervolume(
    points: Iterable[Evaluated],
    *,
    max_cost: float,
    min_score: float,
    metric: str = "top1",
    cost: Cost = mflops_cost,
) -> float:
    """The area that the points' Pareto set dominates, down to a reference point, in units of cost times metric.

    It is the hypervolume of Zitzler and Thiele (PPSN 1998) in two dimensions. The reference decides how much a
    difference counts: the nearer it is to the points, the more.

    Args:
        points: Subnets; those that do not beat the reference in both add nothing.
        max_cost: Cost of the reference point.
        min_score: Metric of the reference point.
        metric: The more the better.
        cost: The less the better.
    """
    area, reached = 0.0, min_score
    for point in pareto_front(points, metric, cost):  # ascending in both
        if cost(point) < max_cost and point.score(metric) > reached:
            area += (max_cost - cost(point)) * (point.score(metric) - reached)
            reached = point.score(metric)
    return area
