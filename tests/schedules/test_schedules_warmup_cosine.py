"""Warm-up and cosine."""

import math

import pytest

from alphanet_plugin.schedules import WarmupCosine


def test_warm_up_is_linear_from_a_thousandth():
    schedule = WarmupCosine(base_lr=0.8, total_steps=100, warmup_steps=10)
    assert schedule.lr(0) == pytest.approx(0.0008)
    assert schedule.lr(5) == pytest.approx((0.0008 + 0.8) / 2)
    assert schedule.lr(10) == 0.8


def test_cosine_to_zero():
    schedule = WarmupCosine(base_lr=0.8, total_steps=110, warmup_steps=10)
    assert schedule.lr(60) == pytest.approx(0.4)
    assert schedule.lr(35) == pytest.approx(0.4 * (1 + math.cos(math.pi / 4)))
    assert schedule.lr(110) == pytest.approx(0)
    assert 0 < schedule.lr(109) < 0.001
    rates = [schedule.lr(step) for step in range(10, 111)]
    assert rates == sorted(rates, reverse=True)


def test_without_warm_up():
    assert WarmupCosine(base_lr=0.1, total_steps=5).lr(0) == 0.1


@pytest.mark.parametrize(("total", "warmup"), [(0, 0), (5, 6), (5, -1)])
def test_bad_lengths(total, warmup):
    with pytest.raises(ValueError, match="warmup_steps"):
        WarmupCosine(base_lr=0.1, total_steps=total, warmup_steps=warmup)
