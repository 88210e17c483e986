import re

import numpy as np
import pytest

from alphanet_plugin.data.image_subset import held_out_count, stratified_holdout
from alphanet_plugin.errors import ConfigError


@pytest.mark.parametrize(("sizes", "count", "shares"), [
    ([10, 20, 30], 6, [1, 2, 3]),
    ([5, 5, 5], 4, [2, 1, 1]),
    ([1, 1, 100], 50, [0, 0, 50]),
    ([1, 2, 3], 3, [0, 1, 2]),
])  # fmt: skip
def test_each_class_gives_its_share(sizes, count, shares):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    kept, held = stratified_holdout(labels, count, seed=3)
    assert np.bincount(labels[held], minlength=len(sizes)).tolist() == shares
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()


def test_none_held_out_leaves_all():
    kept, held = stratified_holdout([0, 1, 1], 0, seed=0)
    assert (kept.tolist(), held.tolist()) == ([0, 1, 2], [])


def test_the_choice_is_the_seeds():
    labels = np.tile(np.arange(4), 25)
    first, again, other = (stratified_holdout(labels, 20, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_class_keeps_an_image():
    with pytest.raises(ConfigError, match="at most 3"):
        stratified_holdout([0, 0, 0, 1, 1], 4, seed=0)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (8, 8), (1,) * 30])
def test_what_is_advised_can_be_held_out(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    with pytest.raises(ConfigError) as failure:
        stratified_holdout(labels, len(labels), seed=0)
    (most,) = re.findall(r"at most \d+: data\.search_fraction=null and data\.search_count=(\d+)", str(failure.value))
    count = held_out_count(len(labels), fraction=None, count=int(most), default=1)
    assert len(stratified_holdout(labels, count, seed=0)[1]) == int(most)
    tenth = held_out_count(len(labels), fraction=0.1, count=None, default=1)
    if "data.search_count=null and data.search_fraction=0.1" in str(failure.value):
        assert len(stratified_holdout(labels, tenth, seed=0)[1]) == tenth
    else:
        assert tenth > len(labels) - len(sizes)


def test_how_many_are_held_out():
    assert held_out_count(200, fraction=None, count=None, default=0.1) == 20
    assert held_out_count(200, fraction=0.25, count=None, default=0.1) == 50
    assert held_out_count(200, fraction=None, count=7, default=0.1) == 7
    assert held_out_count(200, fraction=None, count=0, default=0.1) == 0


@pytest.mark.parametrize(("options", "message"), [
    ({"fraction": 0.0, "count": None}, "between 0 and 1"),
    ({"fraction": 1.0, "count": None}, "between 0 and 1"),
    ({"fraction": None, "count": -1}, r"0\.\.9"),
    ({"fraction": None, "count": 10}, r"0\.\.9"),
    ({"fraction": 0.1, "count": 1}, "give one of them"),
])  # fmt: skip
def test_a_wrong_amount_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        held_out_count(10, default=0.1, **options)
