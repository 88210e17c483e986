"""Mean Pareto accuracy (DepS, Table 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def mean_pareto_accuracy(costs: Sequence[float], accuracies: Sequence[float]) -> float:
    """The area under accuracy over cost, by trapezoids, with costs scaled to [0, 1] between the least and the greatest.

    The paper's points are not the best of a search but six given networks; which points are taken is the caller's to
    say beside the figure.

    Args:
        costs: Multiply-adds or latencies of networks, in any unit and order.
        accuracies: Theirs, in any unit, which is the result's too.

    Raises:
        ValueError: The two differ in length, hold fewer than two costs or the same cost twice, or a number that is not
            finite.
    """
    if len(costs) != len(accuracies):
        raise ValueError(f"{len(costs)} costs and {len(accuracies)} accuracies; give one accuracy for each cost")
    if not all(map(math.isfinite, [*costs, *accuracies])):
        raise ValueError("costs and accuracies must be finite numbers")
    if len(set(costs)) < max(2, len(costs)):
        raise ValueError("an area needs two networks or more, each of another cost")
    points = sorted(zip(costs, accuracies, strict=True))
    area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    return area / (points[-1][0] - points[0][0])
