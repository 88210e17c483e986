"""Staged evaluation: few images for all, all images for few, and a front that is as good."""

from collections import Counter

import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.errors import SearchError
from alphanet_plugin.search import (
    Evaluated,
    EvolutionSearch,
    SearchHistory,
    Stage,
    evolution_rounds,
    hypervolume,
    num_promoted,
    promote,
    read_history,
    select_parents,
)
from alphanet_plugin.spaces import Arch

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
OPTIONS = {
    "min_mflops": 15.0, "max_mflops": 60.0, "num_classes": 10, "num_random": 32, "num_parents": 8, "num_crossovers": 8,
    "num_mutations": 8, "num_rounds": 3,
}  # fmt: skip
SHARES = (1 / 16, 1 / 4)


def subnet(name, mflops, top1, loss=0.0, share=1.0):
    return Evaluated(Arch({"resolution": name}), mflops, {"top1": top1, "loss": loss}, share)


def measured(arch, noise):
    """A loss that falls with the cost, off by an amount of the arch's own, and on few images by more."""
    rng = np.random.default_rng(SPACE.values(arch))
    own, stray = rng.normal(size=2)
    loss = 2.0 - 0.02 * SPACE.mflops(arch, 10) + 0.2 * own + noise * stray
    return {"top1": 100 * np.exp(-max(loss, 0.0)), "loss": loss}


def staged(**changes):
    stages = [Stage(share, lambda arch, share=share: measured(arch, 0.02 / share**0.5)) for share in SHARES]
    return EvolutionSearch(SPACE, lambda arch: measured(arch, 0.0), stages=stages, **{**OPTIONS, **changes})


# -- halving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "share", "next_share", "left"),
    [(512, 1 / 16, 1 / 4, 128), (128, 1 / 4, 1.0, 32), (10, 0.1, 0.3, 3), (3, 0.01, 1.0, 1), (0, 0.5, 1.0, 0)],
)
def test_each_stage_costs_no_more_passes_than_the_one_before(count, share, next_share, left):
    assert num_promoted(count, share, next_share) == left
    assert left <= 1 or left * next_share <= count * share + 1e-9


def test_shares_ascend():
    with pytest.raises(ValueError, match="ascend"):
        num_promoted(5, 0.5, 0.25)


def test_promotion_is_by_front_of_cost_and_loss_whatever_the_accuracy():
    points = [candidate(1, 10, 1.0), candidate(2, 20, 1.1), candidate(3, 30, 0.5), candidate(4, 40, 0.6, top1=90)]
    assert promote(points, 2) == [points[0], points[2]]
    assert promote(points[::-1], 2) == [points[2], points[0]], "in the order that they came"
    assert promote(points, 1, rank="accuracy") == [points[2]]
    assert promote(points, 9) == points


def candidate(name, mflops, loss, top1=50, **genes):
    return Evaluated(Arch({"width": name, **genes}), mflops, {"top1": top1, "loss": loss}, 0.1)


def test_each_resolution_sends_its_best():
    low = [candidate(n, 10 + n, 9.0 - n, resolution=32) for n in range(6)]
    high = [candidate(n, 10 + n, 1.0 - n / 10, resolution=48) for n in range(3)]
    assert promote([*high, *low], 3, rank="accuracy") == [high[2], *low[4:]]
    assert promote([*high, *low], 1, rank="accuracy") == [low[5]], "the larger group has the larger remainder"
    assert promote([*high, *low], 9) == [*high, *low]
    assert promote([*high, *low], 1, rank="bins") == [low[5]]
    assert promote([], 3) == []


def test_figures_of_different_shares_are_never_ranked():
    with pytest.raises(SearchError, match="different shares"):
        promote([subnet(1, 10, 50), subnet(2, 10, 50, share=0.5)], 1)


def test_ranking_takes_losses():
    with pytest.raises(SearchError, match="ranks by loss; there are top1"):
        promote([Evaluated(Arch({"resolution": 1}), 1.0, {"top1": 1.0})], 1)


# -- hypervolume --------------------------------------------------------------------------------------------------


def test_hypervolume_by_hand():
    points = [subnet(1, 10, 50), subnet(2, 20, 70), subnet(3, 25, 60), subnet(4, 90, 99), subnet(5, 5, 20)]
    assert hypervolume(points, max_cost=40, min_score=40) == (40 - 10) * 10 + (40 - 20) * 20
    assert hypervolume([], max_cost=40, min_score=40) == 0


@pytest.mark.parametrize("seed", range(5))
def test_hypervolume_counts_dominated_cells(seed):
    rng = np.random.default_rng(seed)
    points = [subnet(n, int(rng.integers(20)), int(rng.integers(20))) for n in range(12)]
    cells = {
        (cost, score)
        for point in points
        for cost in range(int(point.mflops), 15)
        for score in range(4, int(point.score("top1")))
    }
    assert hypervolume(points, max_cost=15, min_score=4) == len(cells)


# -- the search ---------------------------------------------------------------------------------------------------


def test_counts_of_each_stage():
    seen = []
    search = staged(on_evaluated=lambda number, total, point: seen.append((number, total, point)))
    results = search.run()
    total = (32 + 8 + 2) + 2 * (16 + 4 + 1)
    assert Counter(point.share for *_, point in seen) == {1 / 16: 64, 1 / 4: 16, 1.0: 4}
    assert [(number, of) for number, of, _ in seen] == [(n + 1, total) for n in range(total)]
    assert results == [point for *_, point in seen if point.share == 1]
    assert search.num_evaluations == total


def test_only_full_evaluations_become_parents(monkeypatch):
    asked = []

    def spy(points, count, **options):
        asked.extend(points)
        return select_parents(points, count, **options)

    monkeypatch.setattr(evolution_rounds, "select_parents", spy)
    results = staged().run()
    assert set(asked) <= set(results)
    assert {point.share for point in asked} == {1.0}


def test_named_subnets_are_evaluated_in_full_at_once():
    seen = []
    named = [*SPACE.presets.values(), SPACE.largest()]
    search = staged(initial=named, on_evaluated=lambda _n, _total, point: seen.append(point))
    results = search.run()
    assert [point.arch for point in results[: len(named)]] == named
    assert {point.share for point in seen if point.arch in named} == {1.0}
    assert len(seen) == search.num_evaluations


def test_the_front_is_as_good_at_a_fifth_of_the_passes():
    options = {"num_random": 512, "num_rounds": 1}
    passes = []
    found = staged(**options, on_evaluated=lambda _n, _total, point: passes.append(point.share)).run()
    full = EvolutionSearch(SPACE, lambda arch: measured(arch, 0.0), **{**OPTIONS, **options}).run()
    assert sum(passes) <= len(full) / 5
    reference = {"max_cost": 60.0, "min_score": min(point.score("top1") for point in full)}
    assert hypervolume(found, **reference) >= 0.99 * hypervolume(full, **reference)
    blind = full[: len(found)]
    assert hypervolume(blind, **reference) < 0.97 * hypervolume(full, **reference), "else the test could not fail"


def test_a_stop_in_any_place_changes_nothing(tmp_path):
    whole = staged().run()
    total = staged().num_evaluations
    for stop in (1, 31, 33, 41, 50, total - 1):
        left = [stop]

        def failing(evaluate, left=left):
            def once(arch):
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
                return evaluate(arch)

            return once

        path = tmp_path / f"{stop}.jsonl"
        search = staged(history=SearchHistory(path, {}))
        search.evaluate = failing(search.evaluate)
        search.stages = [Stage(stage.share, failing(stage.evaluate)) for stage in search.stages]
        with search.history, pytest.raises(KeyboardInterrupt):
            search.run()
        left[0] = total - stop  # and not one more
        with SearchHistory(path, {}) as search.history:
            assert search.run() == whole
        assert left == [0]
        with SearchHistory(path, {}) as search.history:
            assert search.run() == whole, "from the history alone"


def test_the_history_tells_shares_apart(tmp_path):
    path = tmp_path / "h.jsonl"
    with SearchHistory(path, {}) as history:
        results = staged(history=history).run()
        assert [entry.evaluated for entry in history] == results
        assert len(history) == len(results) == 4
        part = history.get(results[0].arch, 1 / 16)
        assert part.evaluated.share == 1 / 16
        assert part.evaluated.metrics != results[0].metrics
    entries = read_history(path)[1]
    assert Counter(entry.evaluated.share for entry in entries) == {1 / 16: 64, 1 / 4: 16, 1.0: 4}
    with SearchHistory(path, {}) as history:
        assert [entry.evaluated for entry in history] == results
        plain = EvolutionSearch(SPACE, lambda arch: measured(arch, 0.0), **OPTIONS, history=history).run()
    assert plain == EvolutionSearch(SPACE, lambda arch: measured(arch, 0.0), **OPTIONS).run()


@pytest.mark.parametrize("shares", [(0.5, 0.25), (0.0,), (1.0,), (0.5, 0.5)])
def test_stages_are_checked(shares):
    with pytest.raises(ValueError, match="stages: shares of the image passes ascend"):
        EvolutionSearch(SPACE, measured, **OPTIONS, stages=[Stage(share, measured) for share in shares])
