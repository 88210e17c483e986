"""A predictor ranks candidates before they are evaluated: fewer evaluations, and a front that is as good."""

import statistics

import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.search import (
    Evaluated,
    EvolutionRounds,
    EvolutionSearch,
    Predictor,
    Proposals,
    SearchHistory,
    hypervolume,
)
from alphanet_plugin.search.predictor import choose_promising
from alphanet_plugin.search.variation import ChoiceTable

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
RANGE = {"min_mflops": 15.0, "max_mflops": 60.0, "num_classes": 10}
PLAIN = {"num_random": 96, "num_parents": 32, "num_crossovers": 24, "num_mutations": 24, "num_rounds": 5}
THIRD = {"num_random": 32, "num_parents": 32, "num_crossovers": 8, "num_mutations": 8, "num_rounds": 5}
TABLE = ChoiceTable(SPACE)
GENES = [np.random.default_rng(n).normal(size=size) for n, size in enumerate(TABLE.sizes)]


def measured(arch):
    """Accuracy that rises with the cost ever less, with what each gene adds, and an amount of the arch's own."""
    values = SPACE.values_batch([arch])
    adds = sum(gene[place] for gene, place in zip(GENES, TABLE.indices(values)[0], strict=True))
    cost = np.log(SPACE.mflops(arch, 10))
    own = np.random.default_rng(values[0]).normal()
    return {"top1": float(40 + 12 * cost - cost**2 + 0.3 * adds + 0.3 * own)}


def search(**options):
    return EvolutionSearch(SPACE, measured, **{**RANGE, **THIRD, **options})


def volume(found, plain, reference):
    scores = [subnet.score("top1") for subnet in plain]
    least = {"guessing": 10.0, "worst": min(scores), "median": statistics.median(scores)}[reference]
    return hypervolume(found, max_cost=RANGE["max_mflops"], min_score=least)


@pytest.fixture(scope="module", params=["ridge", "mlp"])
def searched(request):
    return request.param, search(**PLAIN).run(), search(predictor=request.param).run()


def test_a_third_of_the_evaluations_loses_nothing_of_the_front(searched):
    name, plain, found = searched
    assert len(found) * 3 == len(plain)
    fewer = search().run()
    for reference in ("guessing", "worst", "median"):
        assert volume(found, plain, reference) > volume(plain, plain, reference), (name, reference)
        assert volume(fewer, plain, reference) < volume(plain, plain, reference), "which the predictor alone does"


def test_it_ranks_held_out_subnets_and_noise_it_does_not(searched):
    name, plain, _ = searched
    predictor = Predictor(SPACE, 10, name)
    found = predictor.rank_correlation(plain)
    assert found.spearman > 0.9
    assert 0.7 < found.kendall < found.spearman
    assert str(found).startswith(f"predictor {name}: rank correlation on held-out subnets 0.9")
    rng = np.random.default_rng(0)
    noise = [Evaluated(subnet.arch, subnet.mflops, {"top1": rng.normal() % 1}) for subnet in plain]
    assert abs(predictor.rank_correlation(noise).spearman) < 0.3
    same = [Evaluated(subnet.arch, subnet.mflops, {"top1": 1.0}) for subnet in plain]
    assert predictor.rank_correlation(same).spearman == 0
    assert predictor.rank_correlation(plain[:9]) is None


def test_stopped_and_started_again_it_finds_the_same(tmp_path):
    calls = 0

    def stops(arch):
        nonlocal calls
        calls += 1
        if calls == 50:
            raise KeyboardInterrupt
        return measured(arch)

    with SearchHistory(tmp_path / "whole.jsonl", {}) as history:
        whole = search(predictor="ridge", history=history).run()
    with SearchHistory(tmp_path / "stopped.jsonl", {}) as history, pytest.raises(KeyboardInterrupt):
        EvolutionSearch(SPACE, stops, **RANGE, **THIRD, predictor="ridge", history=history).run()
    with SearchHistory(tmp_path / "stopped.jsonl", {}) as history:
        assert search(predictor="ridge", history=history).run() == whole
    assert (tmp_path / "stopped.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_with_too_few_subnets_to_learn_from_all_are_evaluated():
    few = {"num_random": 4, "num_crossovers": 1, "num_mutations": 1, "num_rounds": 2}
    assert search(**few, predictor="ridge").run() == search(**few).run()


def test_what_was_not_chosen_may_be_proposed_again():
    space = get_space("us_mobilenet_v2", resolutions=(32,))
    ends = {"min_mflops": 0.1, "max_mflops": 1e4, "num_classes": 10}
    everything = EvolutionSearch(
        space, lambda arch: {"top1": space.mflops(arch, 10)}, **ends, num_random=12, num_parents=8, num_crossovers=4,
        num_mutations=4, num_rounds=4, predictor="ridge", predictor_pool=16,
    ).run()  # fmt: skip
    assert len(everything) == 12 + 3 * 8, "the pool of every round is not lost to the next"
    assert len({subnet.arch for subnet in everything}) == len(everything)
    proposals = Proposals(space, *ends.values(), np.random.default_rng(0))
    archs = proposals.random(10**6)
    assert proposals.random(1) == []
    proposals.release(archs[:3])
    assert set(proposals.random(10)) == set(archs[:3])


@pytest.mark.parametrize("rank", ["pareto", "accuracy", "bins"])
def test_as_many_are_chosen_as_are_evaluated_however_parents_are_ranked(rank):
    archs = Proposals(SPACE, 15, 60, 10, np.random.default_rng(0)).random(40)
    predicted = np.asarray([measured(arch)["top1"] for arch in archs])
    chosen = choose_promising(archs, predicted, 12, mflops=SPACE.mflops_batch(archs, 10), rank=rank)
    assert len(chosen) == 12
    assert archs[int(np.argmax(predicted))] in chosen
    again = choose_promising(archs[::-1], predicted[::-1], 12, mflops=SPACE.mflops_batch(archs[::-1], 10), rank=rank)
    assert again == chosen, "their order has no say"


@pytest.mark.parametrize(
    ("option", "message"),
    [({"predictor": "forest"}, "choose from ridge, mlp"), ({"predictor_pool": 0}, "predictor_pool must be at least 1")],
)
def test_what_it_cannot_do_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        EvolutionRounds(SPACE, **RANGE, **option)
