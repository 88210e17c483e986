"""Archs that cost a given number of multiply-adds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spaces import Arch, SearchSpace
from .cost_chain import chain_of

# A band with at most so many archs in its steps is enumerated; a larger one is drawn from, and given up when after
# so many draws fewer than one in a thousand was in it.
ENUMERATED = 1 << 15
PATIENCE = 1 << 17
LEAST_SHARE = 1e-3


class Band:
    """The archs of `low` to `high` MFLOPs, ends included, to draw from.

    Draws are independent, with replacement, and uniform over exactly these archs. `CostChain` draws uniformly from the
    archs whose multiply-adds, in coarse steps, touch the band, and those outside it are drawn again; where its steps
    hold few archs, they are enumerated instead. Each different network counts as one arch: widths of a continuous gene
    that make the same one, and archs that differ only in blocks left out.

    Args:
        space: The search space.
        low: Least multiply-adds / 1e6.
        high: Greatest multiply-adds / 1e6.
        num_classes: Outputs of the classifier.

    Attributes:
        drawn: Archs drawn so far, those drawn again included.
        accepted: How many of them were in the band.

    Raises:
        ValueError: `low` is above `high`, or it is seen at once that the band is empty (`sample` raises else).
    """

    def __init__(self, space: SearchSpace, low: float, high: float, num_classes: int = 1000):
        self.space = space
        self.low, self.high = float(low), float(high)
        self.num_classes = num_classes
        self.drawn = self.accepted = 0
        if not self.low <= self.high:
            raise ValueError(f"a band goes from its lower to its upper MFLOPs, not from {low} to {high}")
        self._chain = chain_of(space, num_classes)
        least, greatest = self._chain.least, self._chain.greatest
        if self.high < least / 1e6 or self.low > greatest / 1e6:
            raise ValueError(self._empty())
        # One multiply-add more at each end, so that no rounding of low and high leaves an arch out.
        self._steps = self._chain.steps(
            math.floor(max(self.low * 1e6, least)) - 1, math.ceil(min(self.high * 1e6, greatest)) + 1
        )
        self._size = self._chain.count(*self._steps)
        self._all: NDArray[Any] | None = None
        if self._size <= ENUMERATED:
            self._all = self._inside(self._chain.unrank(np.arange(self._size), *self._steps))
            if not len(self._all):
                raise ValueError(self._empty())

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[Any]:
        """Values (count, genes).

        Raises:
            ValueError: The band holds less than a thousandth of the archs that touch it in coarse steps, so that
                drawing from it would take too long.
        """
        if count < 0:
            raise ValueError(f"the number of archs must be 0 or more, not {count}")
        if self._all is not None:
            self.drawn += count
            self.accepted += count
            return self._all[rng.integers(0, len(self._all), size=count)]
        found = [np.empty((0, len(self.space.genes)), dtype=self.space.values_dtype)]
        drawn = accepted = 0
        while accepted < count:
            share = max(1, accepted) / drawn if drawn else 1.0
            again = min(PATIENCE, math.ceil(1.1 * (count - accepted) / share))
            found.append(self._inside(self._chain.draw(again, *self._steps, rng)))
            drawn += again
            accepted += len(found[-1])
            if drawn >= PATIENCE and accepted < LEAST_SHARE * drawn:
                raise ValueError(
                    f"{accepted} of {drawn} archs drawn near {self.low} to {self.high} MFLOPs were in that band; "
                    f"widen it to {20 * LEAST_SHARE * self._chain.step / 1e6:.1g} MFLOPs or more"
                )
        self.drawn += drawn
        self.accepted += accepted
        return np.concatenate(found)[:count]

    def _inside(self, values: NDArray[Any]) -> NDArray[Any]:
        mflops = self.space.mflops_batch(values, self.num_classes)
        return values[(mflops >= self.low) & (mflops <= self.high)]

    def _empty(self) -> str:
        return (
            f"no arch of space {self.space.name} has {self.low} to {self.high} MFLOPs with {self.num_classes} classes; "
            f"the least has {self._chain.least / 1e6}, the greatest {self._chain.greatest / 1e6}"
        )


def sample_in_band(
    space: SearchSpace, low: float, high: float, n: int, rng: np.random.Generator, *, num_classes: int = 1000
) -> list[Arch]:
    """`n` archs of `low` to `high` MFLOPs: independent, with replacement, and uniform over all archs of the band.

    The method, and the errors, are those of `Band`, which also gives values in place of Arch objects.

    Args:
        space: The search space; `SearchSpace.mac_parts` says of what its cost is made.
        low: Least multiply-adds / 1e6.
        high: Greatest multiply-adds / 1e6.
        n: How many.
        rng: Where the randomness comes from.
        num_classes: Outputs of the classifier.

    Raises:
        ValueError: The band is empty (the message names the space's least and greatest MFLOPs), far too narrow, or
            upside down, or the space does not say of which parts its multiply-adds are made.
    """
    return space.from_values_batch(Band(space, low, high, num_classes).sample(n, rng))
