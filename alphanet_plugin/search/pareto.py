"""Pareto sets: what accuracy costs, in MFLOPs unless another cost is given."""

from collections.abc import Iterable

import numpy as np

from ..errors import SearchError
from .cost import Cost, mflops_cost
from .evaluated import Evaluated
from .spread import spread_indices


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


def best_under(points: Iterable[Evaluated], max_mflops: float, metric: str = "top1") -> Evaluated:
    """The best subnet of at most `max_mflops`; among equals the cheapest.

    Raises:
        SearchError: There is none; the message tells the cheapest.
    """
    points = list(points)
    front = pareto_front((point for point in points if point.mflops <= max_mflops), metric)
    if front:
        return front[-1]
    cheapest = f"the cheapest has {min(point.mflops for point in points):g}" if points else "there is no subnet at all"
    raise SearchError(f"no evaluated subnet has at most {max_mflops:g} MFLOPs; {cheapest}")


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
