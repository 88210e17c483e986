"""Figures over seeds: mean, standard deviation, and paired differences with their confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Figures of one quantity over seeds.

    Attributes:
        n: How many seeds.
        mean: Their mean.
        std: Their standard deviation with n - 1 below the line; None of one seed.
    """

    n: int
    mean: float
    std: float | None


@dataclass(frozen=True)
class Difference:
    """An arm less the baseline, paired by seed.

    Attributes:
        n: How many seeds both have.
        mean: The mean difference.
        low: Lower end of its 95 % confidence interval (Student's t with n - 1 degrees of freedom); None of one seed.
        high: Upper end.
        p: Two-sided p-value of the paired t-test that the mean difference is 0.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def significant(self) -> bool:
        """Whether the interval leaves 0 out. Not corrected for several comparisons."""
        return self.low is not None and self.high is not None and not self.low <= 0.0 <= self.high


def summarise(values: Sequence[float]) -> Summary:
    """Mean and standard deviation of at least one value."""
    array = np.asarray(values, dtype=np.float64)
    return Summary(len(array), float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None)


def paired_difference(arm: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Of two arms' values by seed; None where they share no seed.

    Differences that are all equal have an interval of no width: p is then 1 where they are 0, else 0.
    """
    seeds = sorted(arm.keys() & baseline.keys())
    if not seeds:
        return None
    differences = np.asarray([arm[seed] - baseline[seed] for seed in seeds], dtype=np.float64)
    n, mean = len(seeds), float(differences.mean())
    if n == 1:
        return Difference(n, mean, None, None, None)
    error = float(differences.std(ddof=1)) / n**0.5
    if error == 0.0:
        return Difference(n, mean, mean, mean, 1.0 if mean == 0.0 else 0.0)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * error
    p = 2.0 * float(stats.t.sf(abs(mean / error), n - 1))
    return Difference(n, mean, mean - half, mean + half, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for several comparisons by Holm's method (1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, greatest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = greatest
    return adjusted
