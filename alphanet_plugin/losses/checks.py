"""The check that every hyper-parameter with a range goes through."""

from __future__ import annotations

from numbers import Real
from typing import cast

from alphanet_plugin.errors import brief


def number_between(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float if it is a number in [low, high] (NaN is not); ValueError naming it otherwise."""
    if isinstance(value, Real) and not isinstance(value, bool) and low <= cast(float, value) <= high:
        return float(value)
    raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {brief(value)}")
