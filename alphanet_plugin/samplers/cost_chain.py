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
# Fewer where more states than usual reach over the borders, so that the counts have no more entries than this.
ENTRIES = 1 << 23
# A choice that stands for no network of its own costs so many steps that no range holds it.
NEVER = 1 << 40
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
    Spaces of 2^63 archs or more are counted in float64, which is exact where fewer than 2^53 archs lie on one side of a
    range and right to 1e-9 in between; `draw` then draws anew at each part, as no place of 53 bits reaches every arch.

    Args:
        space: The search space.
        num_classes: Outputs of the classifier.

    Attributes:
        least: Multiply-adds of the least costly arch.
        greatest: Multiply-adds of the most costly one.
        step: Multiply-adds of a step.

    Raises:
        ValueError: The space names no parts.
    """

    def __init__(self, space: SearchSpace, num_classes: int = 1000):
        self._space = space
        self._count_type = np.int64 if space.num_archs < 2**63 else np.float64
        self._choices = [np.asarray(gene.choices, dtype=space.values_dtype) for gene in space.genes]
        parts = space.mac_parts(num_classes)
        costless = sorted(set(range(len(space.genes))) - {gene for part in parts for gene in part.genes})
        parts = [*parts, *(MacPart((gene,), np.zeros(len(self._choices[gene]), dtype=np.int64)) for gene in costless)]
        self._base = sum(int(part.macs.min()) for part in parts)
        steps = min(STEPS, 1 << (ENTRIES // _states(parts, [len(choices) for choices in self._choices])).bit_length())
        self.step = max(1, sum(int(np.ptp(part.macs)) for part in parts) // steps)
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
        ends = np.clip([first, last + 1], 0, self._below[0].shape[-1] - 1)
        return max(0, int(self._between(0, np.asarray(0), ends[0], ends[1])))

    def draw(self, count: int, first: int, last: int, rng: np.random.Generator) -> NDArray[Any]:
        """Values (count, genes) of archs drawn uniformly and with replacement from steps `first` to `last`."""
        if self._count_type is np.int64:
            return self.unrank(rng.integers(0, self.count(first, last), size=count), first, last)
        return self.unrank(np.zeros(count), first, last, rng)

    def unrank(
        self, places: NDArray[Any], first: int, last: int, rng: np.random.Generator | None = None
    ) -> NDArray[Any]:
        """Values (n, genes) of the archs at places (n,), each from 0 to below ``count(first, last)``.

        With `rng` the places are drawn part by part instead.
        """
        values = np.empty((len(places), len(self._choices)), dtype=self._choices[0].dtype)
        for begin in range(0, len(places), CHUNK):
            self._unrank(places[begin : begin + CHUNK], first, last, values[begin : begin + CHUNK], rng)
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
            counted = self._space.canonical_choices(part.genes)
            if counted is not None:
                steps = np.where(counted[joint(part.genes)], steps, NEVER)
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
        """For each part, and behind the last: (S, steps + 1), ways to go on at fewer than so many steps."""
        ways = np.ones((1, 1), dtype=self._count_type)
        below = [self._sums(ways)]
        for link in reversed(self._links):
            most = int(link.steps[link.steps < NEVER].max())
            longer = np.zeros((len(link.steps), most + ways.shape[1]), dtype=self._count_type)
            for row, steps, after in zip(longer, link.steps.tolist(), link.after.tolist(), strict=True):
                for step, state in zip(steps, after, strict=True):
                    if step < NEVER:
                        row[step : step + ways.shape[1]] += ways[state]
            ways = longer
            below.append(self._sums(ways))
        return below[::-1]

    def _sums(self, ways: NDArray[Any]) -> NDArray[Any]:
        """(S, steps + 1) sums of the ways below each step; in float64 (2, S, steps + 1), with those from it on."""
        below = np.zeros((ways.shape[0], ways.shape[1] + 1), dtype=self._count_type)
        np.cumsum(ways, axis=1, out=below[:, 1:])
        if self._count_type is np.int64:
            return below
        above = np.zeros_like(below)
        np.cumsum(ways[:, ::-1], axis=1, out=above[:, -2::-1])
        return np.stack([below, above])

    def _between(self, part: int, states: NDArray[Any], begin: NDArray[Any], end: NDArray[Any]) -> NDArray[Any]:
        """Ways to go on from `states` before a part, at steps from `begin` to below `end`, within the part's range."""
        sums = self._below[part]
        start = states * sums.shape[-1]
        if sums.ndim == 2:
            flat = sums.ravel()
            ways = flat.take(start + end)
            ways -= flat.take(start + begin)
            return ways
        below, above = sums.reshape(2, -1)
        low, high = below.take(start + end), above.take(start + begin)
        # The difference of the smaller sums, as those are exact near the ends.
        return np.where(low < high, low - below.take(start + begin), high - above.take(start + end))

    def _unrank(
        self, places: NDArray[Any], first: int, last: int, values: NDArray[Any], rng: np.random.Generator | None
    ) -> None:
        rows = np.arange(len(places))
        state = np.zeros(len(places), dtype=np.int64)
        spent = np.zeros(len(places), dtype=np.int64)
        for part, link in enumerate(self._links, 1):
            most = self._below[part].shape[-1] - 1
            total = spent[:, None] + link.steps[state]
            begin, end = (np.clip(edge - total, 0, most) for edge in (first, last + 1))
            ways = self._between(part, link.after[state], begin, end)
            ends = np.cumsum(ways, axis=1)
            if rng is not None:
                places = np.minimum(rng.random(len(places)) * ends[:, -1], np.nextafter(ends[:, -1], 0))
            chosen = (ends <= places[:, None]).sum(axis=1)
            places = places - (ends[rows, chosen] - ways[rows, chosen])
            values[:, link.genes] = link.values[chosen]
            spent = total[rows, chosen]
            state = link.after[state, chosen]


def _states(parts: Sequence[MacPart], sizes: Sequence[int]) -> int:
    """Joint choices of the genes that reach over a border, summed over the borders."""
    last_use = {gene: number for number, part in enumerate(parts) for gene in part.genes}
    states, open_genes = 1, set[int]()
    for number, part in enumerate(parts):
        open_genes = {gene for gene in open_genes | {*part.genes} if last_use[gene] > number}
        states += prod(sizes[gene] for gene in open_genes)
    return states


_CHAINS: WeakKeyDictionary[SearchSpace, dict[int, CostChain]] = WeakKeyDictionary()


def chain_of(space: SearchSpace, num_classes: int = 1000) -> CostChain:
    """The chain of a space, made once."""
    chains = _CHAINS.setdefault(space, {})
    if num_classes not in chains:
        chains[num_classes] = CostChain(space, num_classes)
    return chains[num_classes]
