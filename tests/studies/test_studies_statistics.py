"""Means, deviations, paired differences and their confidence, against scipy and hand arithmetic."""

import math

import pytest
from scipy import stats

from alphanet_plugin.studies.statistics import holm, paired_difference, summarise

ARM = {0: 91.2, 1: 90.7, 2: 92.4, 3: 91.9, 4: 90.1}
BASE = {0: 90.5, 1: 90.9, 2: 91.1, 3: 91.0, 4: 89.8}


def test_difference_is_scipys_paired_t_test():
    found = paired_difference(ARM, BASE)
    test = stats.ttest_rel(list(ARM.values()), list(BASE.values()))
    interval = test.confidence_interval(0.95)
    assert found.n == 5
    assert found.mean == pytest.approx(0.6)
    assert found.p == pytest.approx(test.pvalue, rel=1e-12)
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert not found.significant  # the interval goes from -0.08 to 1.28


def test_it_is_paired_by_seed_and_takes_the_seeds_of_both():
    shuffled = {seed: ARM[seed] for seed in (3, 1, 4)}
    found = paired_difference(shuffled, BASE)
    assert found == paired_difference({1: ARM[1], 3: ARM[3], 4: ARM[4]}, {seed: BASE[seed] for seed in (1, 3, 4, 2)})
    assert found.n == 3
    assert paired_difference({7: 1.0}, BASE) is None


def test_a_clear_difference_is_significant_either_way():
    shifted = {seed: value + 1 + 0.01 * seed for seed, value in BASE.items()}
    assert paired_difference(shifted, BASE).significant
    assert paired_difference(BASE, shifted).significant


def test_one_seed_has_no_interval():
    found = paired_difference({0: 91.0}, {0: 90.0})
    assert (found.mean, found.low, found.high, found.p, found.significant) == (1.0, None, None, None, False)
    assert summarise([91.0]).std is None


@pytest.mark.parametrize(("shift", "p", "significant"), [(0.0, 1.0, False), (0.5, 0.0, True)])
def test_equal_differences_have_an_interval_of_no_width(shift, p, significant):
    found = paired_difference({0: 1.0 + shift, 1: 2.0 + shift}, {0: 1.0, 1: 2.0})
    assert (found.low, found.high, found.p, found.significant) == (shift, shift, p, significant)


def test_standard_deviation_has_n_minus_1_below_the_line():
    found = summarise([1.0, 2.0, 6.0])
    assert (found.n, found.mean) == (3, 3.0)
    assert found.std == pytest.approx(math.sqrt((4 + 1 + 9) / 2))


def test_holm_by_hand():
    # ascending: 0.01 x 4, 0.02 x 3, 0.03 x 2 and 0.04, none below the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
