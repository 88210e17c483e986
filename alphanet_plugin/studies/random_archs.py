"""Random subnets spread over a space's cost."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from ..samplers import sample_in_band
from ..spaces import Arch, SearchSpace, get_space

_SEED = 2021
_DRAWS = 20_000  # where the space does not say of which parts its cost is made


def random_archs(space: SearchSpace, count: int, regimes: int, num_classes: int) -> list[list[Arch]]:
    """`count` archs in bands of equal width from the smallest arch's MFLOPs to the largest's, cheapest band first.

    Each band gets an equal share, the first ones one more where the count does not divide; a band without archs stays
    empty. Equal arguments give the same archs.
    """
    return _drawn(json.dumps(space.to_config()), count, regimes, num_classes) if count else []


@lru_cache(maxsize=8)
def _drawn(space_config: str, count: int, regimes: int, num_classes: int) -> list[list[Arch]]:
    space = get_space(**json.loads(space_config))
    least, greatest = (space.mflops(arch, num_classes) for arch in (space.smallest(), space.largest()))
    edges = np.linspace(least, greatest, regimes + 1)
    shares = [count // regimes + (number < count % regimes) for number in range(regimes)]
    rng = np.random.default_rng(_SEED)
    return [
        _in_band(space, low, high, share, rng, num_classes)
        for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
    ]


def _in_band(
    space: SearchSpace, low: float, high: float, count: int, rng: np.random.Generator, num_classes: int
) -> list[Arch]:
    try:
        return sample_in_band(space, low, high, count, rng, num_classes=num_classes)
    except ValueError:  # the space does not tell its parts, or hardly any arch is in the band
        values = space.sample_batch(_DRAWS, rng)
        mflops = space.mflops_batch(values, num_classes)
        return space.from_values_batch(values[(mflops >= low) & (mflops <= high)][:count])
