import itertools
import random

import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.errors import SearchError
from alphanet_plugin.search import (
    Evaluated,
    best_of_bins,
    mflops_cost,
    params_cost,
    pareto_front,
    pick_spread,
    select_parents,
)
from alphanet_plugin.search.pareto import spread_indices
from alphanet_plugin.spaces import Arch


def subnet(name, mflops, top1):
    return Evaluated(Arch({"resolution": name}), mflops, {"top1": top1, "loss": 1.0})


def random_points(seed, count=120):
    """Points on a coarse grid, so that there are ties in MFLOPs, in accuracy and in both."""
    rng = np.random.default_rng(seed)
    return [subnet(n, float(rng.integers(0, 20)), float(rng.integers(0, 20))) for n in range(count)]


def dominates(a, b):
    no_worse = a.mflops <= b.mflops and a.metrics["top1"] >= b.metrics["top1"]
    return no_worse and (a.mflops, a.metrics["top1"]) != (b.mflops, b.metrics["top1"])


def costs_and_scores(points):
    return [(point.mflops, point.metrics["top1"]) for point in points]


@pytest.mark.parametrize("seed", range(20))
def test_front_is_what_nothing_dominates(seed):
    points = random_points(seed)
    expected = {(p.mflops, p.metrics["top1"]) for p in points if not any(dominates(q, p) for q in points)}
    front = pareto_front(points)
    assert costs_and_scores(front) == sorted(expected)
    assert all(a.mflops < b.mflops and a.metrics["top1"] < b.metrics["top1"] for a, b in itertools.pairwise(front))


def test_front_does_not_depend_on_order():
    points = random_points(3)
    shuffled = points.copy()
    random.Random(0).shuffle(shuffled)
    assert pareto_front(points) == pareto_front(shuffled)
    twins = [subnet(2, 5.0, 50.0), subnet(1, 5.0, 50.0)]
    assert pareto_front(twins) == pareto_front(twins[::-1]) == [subnet(1, 5.0, 50.0)]


def test_front_of_nothing_and_of_one():
    assert pareto_front([]) == []
    assert pareto_front([subnet(1, 3, 4)]) == [subnet(1, 3, 4)]


def test_front_takes_another_metric():
    points = [Evaluated(Arch({"n": n}), m, {"top1": a, "top5": b}) for n, m, a, b in [(0, 1, 9, 1), (1, 2, 1, 9)]]
    assert pareto_front(points, "top5") == points
    assert pareto_front(points) == points[:1]


@pytest.mark.parametrize(
    ("metrics", "metric", "message"),
    [
        ({"top1": float("nan")}, "top1", "top1 is nan"),
        ({"top5": 1.0}, "top1", "no metric 'top1' was measured; there are top5"),
        ({"loss": 1.0}, "loss", "choose top1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(metrics, metric, message):
    with pytest.raises(SearchError, match=message):
        pareto_front([Evaluated(Arch({"resolution": 1}), 1.0, metrics)], metric)


@pytest.mark.parametrize("seed", range(10))
def test_spread_is_the_least_squares_choice(seed):
    rng = np.random.default_rng(seed)
    positions = np.sort(rng.random(9)) ** 2
    for count in range(2, 9):
        targets = np.linspace(positions[0], positions[-1], count)
        best = min(itertools.combinations(range(9), count), key=lambda c: np.sum((positions[list(c)] - targets) ** 2))
        chosen = spread_indices(positions, count)
        assert chosen == list(best)
        assert {chosen[0], chosen[-1]} == {0, 8}


def test_spread_of_few():
    assert spread_indices(np.arange(3.0), 3) == spread_indices(np.arange(3.0), 8) == [0, 1, 2]
    assert spread_indices(np.arange(3.0), 1) == [2]
    assert spread_indices(np.empty(0), 4) == []
    with pytest.raises(ValueError, match="at least 1"):
        spread_indices(np.arange(3.0), 0)


def test_pick_spread_ignores_what_is_dominated_and_keeps_both_ends():
    front = [subnet(n, float(cost), 50.0 + n) for n, cost in enumerate([1, 2, 3, 4, 50, 51, 99, 100])]
    chosen = pick_spread([*front, subnet(9, 60.0, 10.0)], 3)
    assert [point.mflops for point in chosen] == [1, 50, 100] or [point.mflops for point in chosen] == [1, 51, 100]
    assert pick_spread(front, 1) == [front[-1]]


def test_parents_by_accuracy():
    points = random_points(1)
    parents = select_parents(points, 10, rank="accuracy")
    scores = sorted((p.metrics["top1"] for p in points), reverse=True)
    assert [p.metrics["top1"] for p in parents] == scores[:10]
    shuffled = points.copy()
    random.Random(1).shuffle(shuffled)
    assert select_parents(shuffled, 10, rank="accuracy") == parents


def test_parents_by_fronts():
    points = random_points(2)
    first = pareto_front(points)
    second = pareto_front([point for point in points if point not in first])
    assert len(second) > 3
    parents = select_parents(points, len(first) + 3)
    assert parents[: len(first)] == first
    trimmed = parents[len(first) :]
    assert len(trimmed) == 3
    assert (trimmed[0], trimmed[-1]) == (second[0], second[-1])
    assert set(map(id, trimmed)) <= set(map(id, second))
    assert select_parents(points[::-1], len(first) + 3) == parents
    everyone = select_parents(points, 1000)
    assert sorted(map(id, everyone)) == sorted(map(id, points))


def test_parents_by_an_unknown_rank():
    with pytest.raises(ValueError, match="'best' is not known; choose from pareto, accuracy, bins"):
        select_parents([], 1, rank="best")


def test_the_best_of_each_bin():
    points = [subnet(n, m, a) for n, (m, a) in enumerate([(200, 5), (209.9, 9), (205, 9), (210, 1), (1200, 7)])]
    best = best_of_bins(points[::-1], 10)
    assert costs_and_scores(best) == [(205, 9), (210, 1), (1200, 7)], "kept although dominated, as in the release"
    assert costs_and_scores(best_of_bins(points, 1000)) == [(205, 9), (1200, 7)]
    assert best_of_bins([], 10) == []


@pytest.mark.parametrize("seed", range(5))
def test_parents_by_bins(seed):
    points = random_points(seed)
    parents = select_parents(points, 100, rank="bins", bin_mflops=4)
    assert parents == select_parents(points[::-1], 100, rank="bins", bin_mflops=4)
    assert [int(parent.mflops // 4) for parent in parents] == [0, 1, 2, 3, 4]
    for parent in parents:
        rivals = [point for point in points if point.mflops // 4 == parent.mflops // 4]
        assert parent.metrics["top1"] == max(point.metrics["top1"] for point in rivals)
    few = select_parents(points, 3, rank="bins", bin_mflops=4)
    assert few == [parents[0], parents[2], parents[4]]
    assert select_parents([], 3, rank="bins") == []


def test_another_cost_makes_another_front():
    points = [subnet(n, float(n), 50.0 + n) for n in range(6)]

    def upside_down(point):
        return 10.0 - point.mflops

    assert pareto_front(points) == points
    assert pareto_front(points, cost=upside_down) == points[-1:]
    worse_but_cheap = subnet(9, 9.0, 0.0)
    front = pareto_front([*points, worse_but_cheap], cost=upside_down)
    assert front == [worse_but_cheap, points[-1]]
    assert pick_spread([*points, worse_but_cheap], 2, cost=upside_down) == front
    assert select_parents(points, 1, cost=upside_down) == points[-1:]
    assert select_parents(points, 1) == points[-1:]
    assert select_parents(points, 2, cost=upside_down) == [points[5], points[4]], "one front of one after the other"


def test_costs_come_from_what_a_history_keeps():
    space = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
    arch = space.presets["a3"]
    point = Evaluated(arch, space.mflops(arch, 10), {"top1": 1.0})
    assert mflops_cost(point) == point.mflops
    assert params_cost(space, 10)(point) == space.params(arch, 10, idle_shortcuts=False) / 1e6
