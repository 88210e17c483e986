"""Pareto sets: what accuracy costs, in MFLOPs unless another cost is given; few of a set, and one number for it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .evaluated import Cost, Evaluated, mflops_cost


def pareto_front(points: Iterable[Evaluated], metric: str = "top1", cost: Cost = mflops_cost) -> list[Evaluated]:
    """The subnets that no other beats, ascending in `cost` and strictly ascending in the metric.

    Of subnets equal in both, the one whose printed arch sorts first stays, so that the order of `points` has no say.
    The released program keeps the best subnet of each 10-MFLOPs bin instead, which `best_of_bins` does; here nothing
    dominated is kept.
    """
    front, _ = split_front(cheapest_first(points, metric, cost), metric)
    return front


def best_of_bins(points: Iterable[Evaluated], bin_mflops: float, metric: str = "top1") -> list[Evaluated]:
    """The best subnet of each bin of `bin_mflops` MFLOPs, cheapest first: the released program's Pareto set.

    A bin reaches from a multiple of its width to just below the next. Of equals the cheapest stays.
    """
    best: dict[int, Evaluated] = {}
    for point in cheapest_first(points, metric):
        place = int(point.mflops // bin_mflops)
        if place not in best or point.score(metric) > best[place].score(metric):
            best[place] = point
    return list(best.values())


def pick_spread(
    front: Iterable[Evaluated], count: int, metric: str = "top1", cost: Cost = mflops_cost
) -> list[Evaluated]:
    """At most `count` subnets of a Pareto front, spread evenly over the axis of `cost`, cheapest first.

    The cheapest and the best are always among them; a single one is the best. Points off the front are ignored.
    """
    front = pareto_front(front, metric, cost)
    chosen = spread_indices(np.asarray([cost(point) for point in front]), count)
    return [front[index] for index in chosen]


def cheapest_first(points: Iterable[Evaluated], metric: str, cost: Cost = mflops_cost) -> list[Evaluated]:
    """Sorted by `cost`, the best first among equals; the printed arch settles what is left."""
    return sorted(points, key=lambda point: (cost(point), -point.score(metric), str(point.arch)))


def split_front(points: list[Evaluated], metric: str) -> tuple[list[Evaluated], list[Evaluated]]:
    """The Pareto front of points sorted by `cheapest_first`, and the others, both still sorted."""
    front: list[Evaluated] = []
    others: list[Evaluated] = []
    for point in points:
        beaten = front and point.score(metric) <= front[-1].score(metric)
        (others if beaten else front).append(point)
    return front, others


def spread_indices(positions: NDArray[np.floating], count: int) -> list[int]:
    """Indices, ascending, of the `count` positions that lie nearest to evenly spaced targets.

    The targets reach from the first position to the last, and the sum of squared distances to them is the least
    possible; the first and last position are therefore always chosen. A single one is the last.

    Args:
        positions: Ascending, shape (n,).
        count: How many; all indices come back where there are no more.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    size = len(positions)
    if size <= count:
        return list(range(size))
    if count == 1:
        return [size - 1]
    distances = (positions - np.linspace(positions[0], positions[-1], count)[:, None]) ** 2
    return _cheapest_ascending_path(distances)


def _cheapest_ascending_path(costs: NDArray[np.floating]) -> list[int]:
    """One column a row, strictly ascending, with the least sum of costs (rows, columns); leftmost among equals."""
    rows, columns = costs.shape
    best = np.full((rows, columns), np.inf)  # best[r, c]: cheapest way to place rows 0..r with row r at column c
    best[0] = costs[0]
    for row in range(1, rows):
        best[row, 1:] = costs[row, 1:] + np.minimum.accumulate(best[row - 1])[:-1]
    path = [int(np.argmin(best[-1]))]
    for row in range(rows - 2, -1, -1):
        path.append(int(np.argmin(best[row, : path[-1]])))
    return path[::-1]


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
