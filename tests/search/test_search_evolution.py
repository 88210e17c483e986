import logging
import multiprocessing
import os
import signal
import time
from collections import Counter

import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.errors import SearchError
from alphanet_plugin.evaluation import Metrics
from alphanet_plugin.search import EvolutionSearch, SearchHistory, pareto_front, read_history
from alphanet_plugin.search.evaluated import Limit, params_limit
from alphanet_plugin.search.variation import ChoiceTable

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
TABLE = ChoiceTable(SPACE)
TARGET = TABLE.indices(SPACE.values_batch([SPACE.presets["a4"]]))[0]
SMALL = {"num_random": 24, "num_parents": 8, "num_crossovers": 8, "num_mutations": 8, "num_rounds": 4}
RANGE = {"min_mflops": 20.0, "max_mflops": 40.0, "num_classes": 10}


def closeness(arch):
    """100 at preset a4, less with every candidate that a gene lies away from it."""
    away = TABLE.indices(SPACE.values_batch([arch]))[0] - TARGET
    return {"top1": 100.0 - float(np.abs(away / TABLE.sizes).sum())}


def quiet_record(search):
    """Run and count how often each arch was evaluated."""
    calls = Counter()
    inner = search.evaluate

    def evaluate(arch):
        calls[arch] += 1
        return inner(arch)

    search.evaluate = evaluate
    return search.run(), calls


def best_under_40(points):
    """The best of at most 40 MFLOPs."""
    return pareto_front([point for point in points if point.mflops <= 40])[-1]


@pytest.mark.parametrize("rank", ["pareto", "accuracy"])
def test_evolution_beats_random_search_at_equal_budget(rank):
    sizes = {"num_random": 100, "num_parents": 40, "num_crossovers": 30, "num_mutations": 70, "num_rounds": 15}
    options = {**RANGE, "rank": rank, "mutation_probability": 0.1}
    evolution = EvolutionSearch(SPACE, closeness, **options, **sizes)
    random = EvolutionSearch(SPACE, closeness, **options, num_random=evolution.num_evaluations, num_rounds=1)
    assert random.num_evaluations == evolution.num_evaluations == 100 + 14 * 100
    best = {name: best_under_40(search.run()) for name, search in [("evolved", evolution), ("random", random)]}
    loss = {name: 100.0 - subnet.score("top1") for name, subnet in best.items()}
    assert loss["random"] > 2
    assert loss["evolved"] < 0.25 * loss["random"]


def test_evolution_finds_the_optimum():
    sizes = {"num_random": 50, "num_parents": 10, "num_crossovers": 20, "num_mutations": 40, "num_rounds": 30}
    search = EvolutionSearch(SPACE, closeness, **RANGE, **sizes, rank="accuracy", mutation_probability=0.05)
    best = best_under_40(search.run())
    assert best.arch == SPACE.presets["a4"]
    assert best.score("top1") == 100.0


def test_the_default_is_the_papers_budget():
    assert EvolutionSearch(SPACE, closeness, **RANGE).num_evaluations == 5376
    assert EvolutionSearch(SPACE, closeness, **RANGE, num_rounds=21).num_evaluations == 512 + 20 * 256


@pytest.mark.parametrize("rank", ["pareto", "accuracy", "bins"])
def test_range_uniqueness_and_count(rank):
    search = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, rank=rank)
    results, calls = quiet_record(search)
    assert len(results) == search.num_evaluations == 24 + 3 * 16
    assert [subnet.arch for subnet in results] == list(calls)
    assert set(calls.values()) == {1}
    assert all(20 <= subnet.mflops <= 40 for subnet in results)
    assert all(subnet.mflops == SPACE.mflops(subnet.arch, 10) for subnet in results)


def test_the_released_variant_has_one_parent_a_bin():
    search = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, rank="bins", bin_mflops=20.0)
    results = search.run()  # 20 to 40 MFLOPs: one bin, so one parent and no crossovers
    parent = max(results[:24], key=lambda subnet: subnet.score("top1"))
    values = SPACE.values_batch([parent.arch, *(child.arch for child in results[24:40])])
    assert (values[1:] != values[0]).sum(axis=1).max() < 14
    narrow = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, rank="bins", bin_mflops=1.0).run()
    assert [subnet.arch for subnet in narrow[:24]] == [subnet.arch for subnet in results[:24]]
    assert narrow[24:] != results[24:]


def test_a_cost_decides_among_parents_and_not_the_range():
    def run(**changes):
        return EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, **changes).run()

    by_resolution = run(cost=lambda subnet: subnet.arch.resolution)
    assert by_resolution == run(cost=lambda subnet: float(subnet.arch.resolution))
    assert by_resolution != run()
    assert all(20 <= subnet.mflops <= 40 for subnet in by_resolution)


def test_same_seed_same_search_another_seed_another():
    def run(seed):
        return EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, seed=seed).run()

    np.random.seed(1)  # noqa: NPY002 - global state has no say
    first = run(7)
    np.random.seed(2)  # noqa: NPY002
    assert run(7) == first
    assert run(8) != first
    search = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, seed=7)
    assert search.run() == search.run() == first


def test_an_evaluators_metrics_are_taken_as_they_are():
    def evaluate(arch):
        return Metrics(top1=closeness(arch)["top1"], top5=99.0, loss=0.5, count=360)

    results = EvolutionSearch(SPACE, evaluate, **RANGE, **SMALL).run()
    assert results[0].metrics == {**closeness(results[0].arch), "top5": 99.0, "loss": 0.5, "count": 360.0}


def test_progress_counts_up_to_the_total():
    seen = []
    search = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, on_evaluated=lambda *event: seen.append(event))
    results = search.run()
    assert [(index, total) for index, total, _ in seen] == [(n + 1, len(results)) for n in range(len(results))]
    assert [subnet for *_, subnet in seen] == results


def test_origins_and_rounds_are_recorded(tmp_path):
    presets = list(SPACE.presets.values())
    given = SPACE.largest()
    with SearchHistory(tmp_path / "h.jsonl", {}) as history:
        EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, history=history, initial=[*presets, given]).run()
    entries = read_history(tmp_path / "h.jsonl")[1]
    assert Counter((entry.round, entry.origin) for entry in entries) == {
        (0, "preset"): 8,
        (0, "given"): 1,
        (0, "random"): 24,
        **{(n, origin): 8 for n in (1, 2, 3) for origin in ("crossover", "mutation")},
    }


def test_a_rerun_evaluates_nothing_and_more_rounds_go_on(tmp_path):
    def search(**changes):
        with SearchHistory(tmp_path / "h.jsonl", {}) as history:
            return quiet_record(EvolutionSearch(SPACE, closeness, **RANGE, **{**SMALL, **changes}, history=history))

    first, _ = search()
    again, calls = search()
    assert again == first
    assert not calls
    longer, calls = search(num_rounds=6)
    assert longer[: len(first)] == first
    assert len(calls) == 2 * 16
    plain = EvolutionSearch(SPACE, closeness, **RANGE, **{**SMALL, "num_rounds": 6}).run()
    assert longer == plain


def test_a_stop_in_any_place_changes_nothing(tmp_path):
    whole = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL).run()
    for stop in (1, 23, 24, 30, 71):
        left = [stop]

        def failing(arch, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return closeness(arch)

        path = tmp_path / f"{stop}.jsonl"
        with SearchHistory(path, {}) as history, pytest.raises(KeyboardInterrupt):
            EvolutionSearch(SPACE, failing, **RANGE, **SMALL, history=history).run()
        with SearchHistory(path, {}) as history:
            assert len(history) == stop
            resumed, calls = quiet_record(EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, history=history))
        assert resumed == whole
        assert len(calls) == len(whole) - stop


def search_slowly(path):
    def slow(arch):
        time.sleep(0.01)
        return closeness(arch)

    with SearchHistory(path, {"n": 1}) as history:
        EvolutionSearch(SPACE, slow, **RANGE, **SMALL, history=history).run()


@pytest.mark.skipif(os.name == "nt", reason="fork and SIGKILL")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child runs no thread's code, only numpy
def test_killed_and_run_again_is_as_if_never_killed(tmp_path):
    path = tmp_path / "h.jsonl"
    process = multiprocessing.get_context("fork").Process(target=search_slowly, args=(path,))
    process.start()
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < 32:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    done = len(read_history(path)[1])
    whole = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL).run()
    assert 31 <= done < len(whole)
    with SearchHistory(path, {"n": 1}) as history:
        resumed, calls = quiet_record(EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, history=history))
    assert resumed == whole
    assert len(calls) == len(whole) - done
    assert [entry.evaluated for entry in read_history(path)[1]] == whole


def test_initial_subnets_out_of_range_are_measured_but_have_no_children():
    largest, smallest = SPACE.largest(), SPACE.smallest()

    def size(arch):  # the largest would be the only parent if it were allowed
        return {"top1": SPACE.mflops(arch, 10)}

    sizes = {**SMALL, "num_parents": 1, "num_crossovers": 0, "rank": "accuracy", "mutation_probability": 0.05}
    search = EvolutionSearch(SPACE, size, **RANGE, **sizes, initial=[largest, smallest, largest])
    assert search.num_evaluations == 2 + 24 + 3 * 8
    results = search.run()
    parent = max(results[2:26], key=lambda subnet: subnet.mflops)
    values = SPACE.values_batch([parent.arch, *(child.arch for child in results[26:34])])
    assert (values[1:] != values[0]).sum(axis=1).max() < 8  # of 31 genes, and half of them differ by chance
    assert [subnet.arch for subnet in results[:2]] == [largest, smallest]
    assert all(20 <= subnet.mflops <= 40 for subnet in results[2:])
    assert Counter(subnet.arch for subnet in results).most_common(1)[0][1] == 1


def test_initial_subnets_in_range_are_parents():
    target = SPACE.presets["a4"]
    sizes = {**SMALL, "num_parents": 1, "num_crossovers": 0, "num_rounds": 2, "rank": "accuracy"}
    results = EvolutionSearch(SPACE, closeness, **RANGE, **sizes, initial=[target], mutation_probability=0.05).run()
    assert results[0].arch == target
    assert min(subnet.score("top1") for subnet in results[-8:]) > max(s.score("top1") for s in results[1:-8])


def test_a_foreign_initial_subnet_is_refused():
    other = get_space("attentive_nas").presets["a0"]
    with pytest.raises(ValueError, match="gene resolution: 192 is not a candidate"):
        EvolutionSearch(SPACE, closeness, **RANGE, initial=[other])


def test_a_range_without_archs_names_the_spaces_own():
    evaluated = []
    search = EvolutionSearch(
        SPACE, evaluated.append, min_mflops=150, max_mflops=200, num_classes=10, initial=[SPACE.smallest()]
    )
    with pytest.raises(SearchError, match="150 to 200 MFLOPs") as caught:
        search.run()
    assert "10 classes reaches from 10.28 to 99.25 MFLOPs" in str(caught.value)
    assert not evaluated


def test_an_exhausted_range_ends_the_search_early(caplog):
    least = SPACE.mflops(SPACE.smallest(), 10)
    bounds = {"min_mflops": least, "max_mflops": least + 0.12, "num_classes": 10}
    with caplog.at_level(logging.INFO, logger="alphanet_plugin.search"):
        results = EvolutionSearch(SPACE, closeness, **bounds, **SMALL).run()
    assert 0 < len(results) < 24
    assert f"search ends after {len(results)} of 72 subnets: no new arch" in caplog.text
    assert len({subnet.arch for subnet in results}) == len(results)


def test_mutations_fill_in_for_crossovers_and_random_subnets_for_both(tmp_path):
    one_parent = {**SMALL, "num_parents": 1, "num_rounds": 2}
    with SearchHistory(tmp_path / "h.jsonl", {}) as history:
        EvolutionSearch(SPACE, closeness, **RANGE, **one_parent, history=history).run()
        assert Counter(entry.origin for entry in history if entry.round == 1) == {"mutation": 16}
    never = {**one_parent, "mutation_probability": 1e-12}
    with SearchHistory(tmp_path / "i.jsonl", {}) as history:
        EvolutionSearch(SPACE, closeness, **RANGE, **never, history=history).run()
        assert Counter(entry.origin for entry in history if entry.round == 1) == {"random": 16}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [({"top1": float("nan")}, "top1 is nan, which cannot be ranked, for resolution="), ({"acc": 1.0}, "there are acc")],
)
def test_a_result_that_cannot_be_ranked_stops_the_search_and_is_not_kept(tmp_path, metrics, message):
    with SearchHistory(tmp_path / "h.jsonl", {}) as history:
        with pytest.raises(SearchError, match=message):
            EvolutionSearch(SPACE, lambda _: metrics, **RANGE, **SMALL, history=history).run()
        assert len(history) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_random": 0}, "num_random must be at least 1, got 0"),
        ({"num_mutations": -1}, "num_mutations must be at least 0"),
        ({"num_rounds": 0}, "num_rounds"),
        ({"mutation_probability": 0.0}, "mutation_probability"),
        ({"rank": "best"}, "choose from pareto, accuracy, bins"),
        ({"bin_mflops": 0.0}, "bin_mflops must be above 0"),
        ({"min_mflops": 50.0}, "min_mflops 50.0 is above max_mflops 40.0"),
        ({"max_mflops": float("nan")}, "max_mflops"),
    ],
)
def test_arguments_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        EvolutionSearch(SPACE, closeness, **{**RANGE, **change})


def latency(arch):
    """Stands in for a table's: of the resolution alone, so 3.2, 4.0, 4.8 or 5.6 ms."""
    return arch.resolution / 10


@pytest.mark.parametrize("rank", ["pareto", "accuracy", "bins"])
def test_what_lies_outside_a_budget_is_never_evaluated(rank):
    params = SPACE.params_batch(SPACE.sample_batch(200, np.random.default_rng(0)), 10, idle_shortcuts=False)
    least, most = np.percentile(params, [20, 60])
    limits = [params_limit(SPACE, 10, least, most), Limit(of=latency, unit="ms", least=3.5, most=5.0)]
    results, calls = quiet_record(EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, rank=rank, limits=limits))
    assert len(results) > SMALL["num_random"]
    for arch in calls:
        assert least <= SPACE.params(arch, 10, idle_shortcuts=False) <= most
        assert 3.5 <= latency(arch) <= 5.0
        assert 20 <= SPACE.mflops(arch, 10) <= 40


def test_a_budget_that_nothing_meets_is_named():
    search = EvolutionSearch(SPACE, closeness, **RANGE, **SMALL, limits=[Limit(of=latency, unit="ms", most=1.0)])
    with pytest.raises(SearchError, match="at most 1 ms"):
        search.run()
