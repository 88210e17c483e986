"""Where along a range of numbers the network changes that they make."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
from numpy.typing import NDArray


def run_edges(sizes: Callable[[NDArray[np.float64]], NDArray[np.int64]], low: float, high: float) -> tuple[float, ...]:
    """The least number of each run of numbers from `low` to `high` that have the same sizes; exact to the last bit.

    Args:
        sizes: Numbers (n,) to sizes (n, k), none of which falls where the number rises.
        low: The least number.
        high: The greatest, included.
    """
    left, right = np.asarray([low]), np.asarray([high])
    edges = [low]
    while len(left):
        # As no size falls, sizes that are equal at both ends are equal in between.
        changes = (sizes(left) != sizes(right)).any(axis=1)
        left, right = left[changes], right[changes]
        middle = left + (right - left) / 2
        done = (middle <= left) | (middle >= right)  # no number lies between
        edges += right[done].tolist()
        left, middle, right = left[~done], middle[~done], right[~done]
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    return tuple(sorted(edges))


def roundest(low: float, high: float) -> float:
    """A number of at least `low` and below `high`: a multiple of 0.1, or else of 0.05, or else of 0.01 and so on."""
    for parts in (10**digits * factor for digits in range(1, 16) for factor in (1, 2)):
        number = ceil(low * parts) / parts
        if low <= number < high:
            return number
    return low
