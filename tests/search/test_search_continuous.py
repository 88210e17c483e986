"""The evolution over a space with a continuous gene."""

import numpy as np

from alphanet_plugin import get_space
from alphanet_plugin.search import EvolutionSearch, SearchHistory, read_history
from alphanet_plugin.search.variation import ChoiceTable

SPACE = get_space("us_mobilenet_v2", resolutions=(32, 48))


def test_choice_table_finds_the_network():
    values = SPACE.sample_batch(500, np.random.default_rng(0))
    table = ChoiceTable(SPACE)
    again = table.values(table.indices(values))
    assert (SPACE.cost_batch(again) == SPACE.cost_batch(values)).all()
    assert (table.indices(again) == table.indices(values)).all()


def test_no_network_is_evaluated_twice_and_the_history_is_taken_up(tmp_path):
    calls = []

    def evaluate(arch):
        calls.append(arch)
        return {"top1": 100 - abs(arch.width - 0.6)}

    def search():
        return EvolutionSearch(
            SPACE, evaluate, history=SearchHistory(tmp_path / "search.jsonl", {}), initial=list(SPACE.presets.values()),
            min_mflops=0.0, max_mflops=1e9, num_classes=10, num_random=30, num_parents=8, num_crossovers=8,
            num_mutations=8, num_rounds=3,
        )  # fmt: skip

    first = search()
    with first.history:
        found = first.run()
    costs = [tuple(SPACE.cost(arch, 10)) for arch in calls]
    assert len(set(costs)) == len(costs) == len(found) == 10 + 30 + 2 * 16
    second = search()
    with second.history:
        assert second.run() == found
    assert len(calls) == len(found)
    assert [entry.evaluated for entry in read_history(tmp_path / "search.jsonl")[1]] == found


def test_the_whole_space_is_found_and_then_it_ends():
    narrow = get_space("us_mobilenet_v2", resolutions=(32,))
    search = EvolutionSearch(
        narrow, lambda arch: {"top1": arch.width}, min_mflops=0.0, max_mflops=1e9, num_classes=10, num_random=200,
        num_rounds=3,
    )  # fmt: skip
    assert {subnet.arch.width for subnet in search.run()} == set(narrow.genes[1].choices)
