"""Two processes under `accelerate launch` on CPU (gloo), for real."""

from pathlib import Path

import pytest
from two_ranks import launch


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    found, said = launch(Path(__file__).with_name("ranks.py"), tmp_path_factory.mktemp("ranks"))
    for noise in ("Grad strides", "broadcast_buffers"):
        assert noise not in said
    return found


def test_all_ranks_train_the_same_archs_on_different_images(ranks):
    assert ranks[0]["archs"] == ranks[1]["archs"]
    assert ranks[0]["images"] != ranks[1]["images"]
    assert ranks[0]["own_gradient"] != ranks[1]["own_gradient"]


def test_gradients_are_synchronised_once_a_step(ranks):
    for rank in ranks:
        assert rank["buckets"]
        assert len(rank["buckets"]) == len(set(rank["buckets"]))


def test_gradients_are_the_mean_over_ranks_also_where_the_last_subnet_has_none(ranks):
    for rank in ranks:
        assert rank["unexpected_gradients"] == []
        assert rank["worst_gradient_error"] < 1e-3


def test_losses_to_rank_by_are_the_mean_over_ranks_and_the_same_bits_on_each(ranks):
    assert ranks[0]["batch_losses"] == ranks[1]["batch_losses"]
    assert ranks[0]["own_losses"] != ranks[1]["own_losses"]
    both = zip(ranks[0]["own_losses"], ranks[1]["own_losses"], strict=True)
    assert ranks[0]["batch_losses"] == pytest.approx([(one + other) / 2 for one, other in both])


def test_parameters_stay_bit_equal(ranks):
    assert ranks[0]["parameters"] == ranks[1]["parameters"]
