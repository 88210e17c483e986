"""The kd section of a configuration becomes a loss."""

import pytest

from alphanet_plugin import runs
from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KLDivergence,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)


def build(**kd):
    return runs.build_kd_loss(from_dict(RunConfig, {"output": "x", "kd": kd}))


@pytest.mark.parametrize(
    ("kd", "loss"),
    [
        ({"name": "adaptive_alpha"}, AdaptiveAlphaDivergence()),
        (
            {"name": "adaptive_alpha", "alpha_min": -2, "alpha_max": 0, "clip": 3, "form": "exact", "temperature": 2},
            AdaptiveAlphaDivergence(-2.0, 0.0, 3.0, "exact", 2.0),
        ),
        ({"name": "alpha", "alpha": 0}, AlphaDivergence(0.0)),
        (
            {"name": "alpha", "alpha": -1, "clip": float("inf"), "form": "paper", "temperature": 2},
            AlphaDivergence(-1.0, float("inf"), "paper", 2.0),
        ),
        ({"name": "kl"}, KLDivergence()),
        ({"name": "kl", "temperature": 4}, KLDivergence(4.0)),
        ({"name": "reverse_kl", "temperature": 4}, ReverseKLDivergence(4.0)),
        ({"name": "symmetric_kl", "temperature": 0.5}, SymmetricKLDivergence(0.5)),
    ],
    ids=repr,
)
def test_every_name_with_every_key(kd, loss):
    built = build(**kd)
    assert type(built) is type(loss)
    assert repr(built) == repr(loss)


def test_none_is_no_loss():
    assert build(name="none") is None


@pytest.mark.parametrize(
    ("kd", "words"),
    [
        ({"name": "kl", "temperature": 0}, r"^kd\.temperature must be a number from 1e-06 to 1e\+06, got 0"),
        ({"name": "adaptive_alpha", "clip": 0}, r"^kd\.clip must be a number above 0"),
        ({"name": "adaptive_alpha", "alpha_min": 2}, r"^kd\.alpha_min must not exceed alpha_max"),
    ],
)
def test_a_value_that_the_loss_refuses_is_named(kd, words):
    with pytest.raises(ConfigError, match=words):
        build(**kd)
