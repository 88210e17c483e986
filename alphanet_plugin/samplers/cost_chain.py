"""How many archs of a space cost how much, by dynamic programming over the parts of its network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..spaces import MacPart, SearchSpace

# Steps into which the range of multiply-adds is divided: 0.05 MFLOPs in the space of AlphaNet.
STEPS = 1 << 15
# Archs that are unranked at a time; tables of a hundred candidates each then stay in the cache.
CHUNK = 4096


class _Link(NamedTuple):
    """One part in the chain. S: joint choices of the genes that earlier parts share with this or later ones ("states");
    R: joint choices of the genes that occur here first.

    Attributes:
        steps: int64 (S, R), the part's multiply-adds above its least, in whole steps, rounded down.
        after: int64 (S, R), the state that the next part begins in.
        genes: The genes that occur here first.
        values: (R, len(genes)), their candidates.
    """

    steps: NDArray[np.int64]
    after: NDArray[np.int64]
    genes: list[int]
    values: NDArray[Any]


class CostChain:
    """Every arch of a space has a place, from 0 on, among those whose multiply-adds, in coarse steps, lie in a range.

    `SearchSpace.mac_parts` says of which parts an arch's multiply-adds are made. Each part's are rounded down to whole
    steps, and from the last part to the first it is counted how many ways there are to go on from each joint choice of
    the genes that reach over the border, at each total. The counts are exact integers. `unrank` walks the chain
    forwards and reads off the arch of a place; uniform places give uniform archs, all places in turn enumerate them.

    Args:
        space: The search space.
        num_classes: Outputs of the classifier.

    Attributes:
        least: Multiply-adds of the least costly arch.
        greatest: Multiply-adds of the most costly one.
        step: Multiply-adds of a step.

    Raises:
        ValueError: The space names no parts, or holds 2^63 archs or more.
    """

    def __init__(self, space: SearchSpace, num_classes: int = 1000):
        if space.num_archs >= 2**63:
            raise ValueError(f"space {space.name} holds {space.num_archs:.1e} archs; they are counted below 2^63 only")
        self._choices = [np.asarray(gene.choices, dtype=space.values_dtype) for gene in space.genes]
        parts = space.mac_parts(num_classes)
        costless = sorted(set(range(len(space.genes))) - {gene for part in parts for gene in part.genes})
        parts = [*parts, *(MacPart((gene,), np.zeros(len(self._choices[gene]), dtype=np.int64)) for gene in costless)]
        self._base = sum(int(part.macs.min()) for part in parts)
        self.step = max(1, sum(int(np.ptp(part.macs)) for part in parts) // STEPS)
        # By how much the sum of rounded parts can lie below the rounded sum, in multiply-adds.
        self._lost = sum(int(((part.macs - part.macs.min()) % self.step).max()) for part in parts)
        self._links: list[_Link] = []
        macs = self._link(parts)
        self.least, self.greatest = (self._extreme(macs, best) for best in (np.min, np.max))
        self._below = self._count()

    def steps(self, low: int, high: int) -> tuple[int, int]:
        """The range of steps, ends included, outside which no arch of `low` to `high` multiply-adds lies."""
        return -(-(low - self._base - self._lost) // self.step), (high - self._base) // self.step

    def count(self, first: int, last: int) -> int:
        """How many archs lie in steps `first` to `last`."""
        ends = np.clip([first, last + 1], 0, self._below[0].shape[1] - 1)
        begin, end = self._below[0][0, ends]
        return max(0, int(end - begin))

    def unrank(self, places: NDArray[np.int64], first: int, last: int) -> NDArray[Any]:
        """Values (n, genes) of the archs at places (n,), each from 0 to below ``count(first, last)``."""
        values = np.empty((len(places), len(self._choices)), dtype=self._choices[0].dtype)
        for begin in range(0, len(places), CHUNK):
            self._unrank(places[begin : begin + CHUNK], first, last, values[begin : begin + CHUNK])
        return values

    # -- inside ---------------------------------------------------------------------------------------------------

    def _link(self, parts: Sequence[MacPart]) -> list[NDArray[np.int64]]:
        """Fill `_links`; returns each part's multiply-adds (S, R)."""
        sizes = [len(choices) for choices in self._choices]
        last_use = {gene: number for number, part in enumerate(parts) for gene in part.genes}
        before: list[int] = []
        costs = []
        for number, part in enumerate(parts):
            new = [gene for gene in part.genes if gene not in before]
            axes = [*before, *new]
            after = [gene for gene in axes if last_use[gene] > number]
            shape = prod(sizes[gene] for gene in before), prod(sizes[gene] for gene in new)
            indices = dict(zip(axes, np.indices([sizes[gene] for gene in axes]).reshape(len(axes), -1), strict=True))

            def joint(genes: Sequence[int], indices=indices, shape=shape) -> NDArray[np.int64]:
                place = np.zeros(prod(shape), dtype=np.int64)
                for gene in genes:
                    place = place * sizes[gene] + indices[gene]
                return place.reshape(shape)

            macs = part.macs[joint(part.genes)]
            values = np.empty((shape[1], len(new)), dtype=self._choices[0].dtype)
            for column, gene in enumerate(new):
                values[:, column] = self._choices[gene][indices[gene][: shape[1]]]
            steps = (macs - part.macs.min()) // self.step
            self._links.append(_Link(steps=steps, after=joint(after), genes=new, values=values))
            costs.append(macs)
            before = after
        return costs

    def _extreme(self, macs: list[NDArray[np.int64]], best: Callable[..., NDArray[np.int64]]) -> int:
        """The least or greatest sum of multiply-adds along the chain."""
        found = np.zeros(1, dtype=np.int64)
        for link, cost in zip(reversed(self._links), reversed(macs), strict=True):
            found = best(cost + found[link.after], axis=1)
        return int(found[0])

    def _count(self) -> list[NDArray[np.int64]]:
        """For each part, and behind the last: int64 (S, steps + 1), ways to go on at fewer than so many steps."""
        ways = np.ones((1, 1), dtype=np.int64)
        below = [_sums(ways)]
        for link in reversed(self._links):
            longer = np.zeros((len(link.steps), int(link.steps.max()) + ways.shape[1]), dtype=np.int64)
            for row, steps, after in zip(longer, link.steps.tolist(), link.after.tolist(), strict=True):
                for step, state in zip(steps, after, strict=True):
                    row[step : step + ways.shape[1]] += ways[state]
            ways = longer
            below.append(_sums(ways))
        return below[::-1]

    def _unrank(self, places: NDArray[np.int64], first: int, last: int, values: NDArray[Any]) -> None:
        rows = np.arange(len(places))
        state = np.zeros(len(places), dtype=np.int64)
        spent = np.zeros(len(places), dtype=np.int64)
        for link, below in zip(self._links, self._below[1:], strict=True):
            width = below.shape[1]
            total = spent[:, None] + link.steps[state]
            start = link.after[state] * width
            flat = below.ravel()
            ways = flat.take(start + np.clip(last + 1 - total, 0, width - 1))
            ways -= flat.take(start + np.clip(first - total, 0, width - 1))
            ends = np.cumsum(ways, axis=1)
            chosen = (ends <= places[:, None]).sum(axis=1)
            places = places - (ends[rows, chosen] - ways[rows, chosen])
            values[:, link.genes] = link.values[chosen]
            spent = total[rows, chosen]
            state = link.after[state, chosen]


def _sums(ways: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros((ways.shape[0], ways.shape[1] + 1), dtype=np.int64)
    np.cumsum(ways, axis=1, out=sums[:, 1:])
    return sums


_CHAINS: WeakKeyDictionary[SearchSpace, dict[int, CostChain]] = WeakKeyDictionary()


def chain_of(space: SearchSpace, num_classes: int = 1000) -> CostChain:
    """The chain of a space, made once."""
    chains = _CHAINS.setdefault(space, {})
    if num_classes not in chains:
        chains[num_classes] = CostChain(space, num_classes)
    return chains[num_classes]
