import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.search.proposals import Proposals
from alphanet_plugin.search.variation import ChoiceTable, crossover, draw_uniform, mutate, step

SIZES = np.asarray([4, 1, 2, 5])
COUNT = 40_000


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def frequencies(column, size):
    return np.bincount(column, minlength=size) / len(column)


def test_choice_table_goes_both_ways(rng):
    space = get_space("attentive_nas")
    values = space.sample_batch(500, rng)
    table = ChoiceTable(space)
    indices = table.indices(values)
    assert (table.values(indices) == values).all()
    assert (indices < table.sizes).all()
    assert indices.max() > 3


def test_uniform_draws(rng):
    rows = draw_uniform(SIZES, COUNT, rng)
    for gene, size in enumerate(SIZES):
        assert np.allclose(frequencies(rows[:, gene], size), 1 / size, atol=0.01)


def test_a_mutation_changes_each_gene_with_its_probability_to_any_other_candidate(rng):
    parent = np.asarray([[2, 0, 1, 0]])
    rows = mutate(parent, SIZES, COUNT, 0.2, rng)
    changed = rows != parent
    assert np.allclose(changed.mean(axis=0), [0.2, 0, 0.2, 0.2], atol=0.01)
    both = (changed[:, 0] & changed[:, 3]).mean()
    assert both == pytest.approx(0.04, abs=0.005)  # genes change independently
    assert np.allclose(frequencies(rows[changed[:, 0], 0], 4), [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)
    assert np.allclose(frequencies(rows[changed[:, 3], 3], 5), [0, 0.25, 0.25, 0.25, 0.25], atol=0.02)


def test_mutations_come_from_every_parent(rng):
    parents = np.asarray([[0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]])
    rows = mutate(parents, SIZES, COUNT, 1e-9, rng)
    assert np.allclose(frequencies(rows[:, 0], 4), [1 / 3, 1 / 3, 1 / 3, 0], atol=0.01)


def test_a_crossover_takes_each_gene_from_either_parent_with_even_odds(rng):
    parents = np.asarray([[0, 0, 0, 0], [3, 0, 1, 4]])
    rows = crossover(parents, COUNT, rng)
    from_second = rows == parents[1]
    assert np.allclose(from_second[:, [0, 2, 3]].mean(axis=0), 0.5, atol=0.01)
    assert (from_second[:, 0] & from_second[:, 3]).mean() == pytest.approx(0.25, abs=0.01)
    assert ((rows == parents[0]) | from_second).all()


def test_a_crossover_has_two_different_parents(rng):
    parents = np.asarray([[n] * 40 for n in range(5)])
    rows = crossover(parents, 4000, rng)
    pairs = {tuple(np.unique(row)) for row in rows}
    assert pairs == {(a, b) for a in range(5) for b in range(a + 1, 5)}


def test_a_step_moves_one_gene_by_one(rng):
    rows = draw_uniform(SIZES, 1000, rng)
    up = np.arange(1000) % 2 == 0
    moves = step(rows, SIZES, up, rng) - rows
    at_end = np.where(up, (rows == SIZES - 1).all(axis=1), (rows == 0).all(axis=1))
    assert at_end.any()
    assert (moves.sum(axis=1) == np.where(at_end, 0, np.where(up, 1, -1))).all()
    assert (np.abs(moves).sum(axis=1) <= 1).all()


def test_proposals_stay_in_range_and_are_new(rng):
    space = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
    proposals = Proposals(space, 30.0, 40.0, 10, rng)
    random = proposals.random(300)
    archs = random + proposals.crossovers(random, 200) + proposals.mutations(random, 200, 0.2)
    assert len(archs) == len(set(archs)) == 700
    mflops = space.mflops_batch(archs, num_classes=10)
    assert (mflops >= 30).all()
    assert (mflops <= 40).all()


def test_excluded_archs_are_not_proposed(rng):
    space = get_space("attentive_nas")
    low = space.mflops(space.smallest())
    assert Proposals(space, low, low + 0.01, 1000, rng).random(5) == [space.smallest()]
    proposals = Proposals(space, low, low + 0.01, 1000, rng)
    proposals.exclude([space.smallest()])
    assert proposals.random(5) == []


def test_uniform_draws_alone_would_miss_the_cheap_end(rng):
    space = get_space("attentive_nas")
    draws = space.mflops_batch(space.sample_batch(20_000, rng))
    assert (draws > 220).all()
    found = Proposals(space, 203, 220, 1000, rng).random(64)
    assert len(found) == 64
    assert space.mflops_batch(found).max() <= 220


def test_one_parent_has_no_crossovers(rng):
    space = get_space("attentive_nas")
    proposals = Proposals(space, 200, 2000, 1000, rng)
    assert proposals.crossovers([space.smallest()], 5) == []
    assert proposals.mutations([], 5, 0.2) == []
    assert len(proposals.mutations([space.smallest()], 5, 0.2)) == 5


def test_archs_that_differ_in_blocks_left_out_are_proposed_once():
    space = get_space("ofa_mbv3_cifar", choices={"depth": [2, 3], "expand_ratio": [3], "mb1": {"kernel_size": [3]}})
    rng = np.random.default_rng(0)
    proposals = Proposals(space, 0.0, 1000.0, 10, rng)
    found = proposals.random(300)
    found += proposals.mutations(found[:20], 300, 0.2)
    found += proposals.crossovers(found[:20], 300)
    assert len(found) == len({str(space.network(arch)) for arch in found}) > 600
    proposals.exclude(found)
    rows = ChoiceTable(space).canonical(ChoiceTable(space).indices(space.values_batch(found)))
    assert (rows == ChoiceTable(space).indices(space.values_batch(found))).all()


def test_a_subspace_is_searched_to_its_last_network():
    space = get_space(
        "ofa_mbv3", choices={"kernel_size": [3], "resolution": [224], "mb1.depth": [2], "mb2.depth": [2]},
        follow={"expand_ratio": {"depth": [[2, 3], [3, 4], [4, 6]]}},
    )  # fmt: skip
    assert space.num_archs == 27
    found = Proposals(space, 0.0, 1000.0, 1000, np.random.default_rng(0)).random(100)
    assert len(found) == len(set(found)) == 27
    assert all(space.holds(arch) for arch in found)
