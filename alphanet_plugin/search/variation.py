"""Who has children in the next round of an evolution, and how new archs come of old ones, many at a time.

Archs are rows of *choice indices* here: for every gene the place of its value among the gene's candidates. Values of a
continuous gene that make the same network have the same place, and come back as the candidate that stands for them.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spaces import SearchSpace
from .evaluated import Cost, Evaluated, mflops_cost
from .pareto import best_of_bins, cheapest_first, split_front, spread_indices

Rows = NDArray[np.int64]


class ChoiceTable:
    """Turns rows of values (n, genes) of a space into rows of choice indices, and back."""

    def __init__(self, space: SearchSpace):
        self._space = space
        self._genes = space.genes
        self._choices = [np.asarray(gene.choices, dtype=space.values_dtype) for gene in space.genes]
        self.sizes = np.asarray([len(choices) for choices in self._choices], dtype=np.int64)

    def indices(self, values: NDArray[Any]) -> Rows:
        return np.stack([gene.indices(column) for gene, column in zip(self._genes, values.T, strict=True)], axis=1)

    def values(self, indices: Rows) -> NDArray[Any]:
        return np.stack([choices[indices[:, gene]] for gene, choices in enumerate(self._choices)], axis=1)

    def canonical(self, indices: Rows) -> Rows:
        """The rows that stand for the same networks, as `SearchSpace.canonical`."""
        values = self.values(indices)
        canonical = self._space.canonical(values)
        return indices if canonical is values else self.indices(canonical)


def draw_uniform(sizes: Rows, count: int, rng: np.random.Generator) -> Rows:
    """`count` rows, each gene uniform over its `sizes` candidates."""
    return rng.integers(0, sizes, size=(count, len(sizes)))


def crossover(parents: Rows, count: int, rng: np.random.Generator) -> Rows:
    """`count` children of two different rows of `parents` (at least two): each gene is either's, with even odds."""
    first = rng.integers(0, len(parents), size=count)
    second = (first + rng.integers(1, len(parents), size=count)) % len(parents)
    from_first = rng.random((count, parents.shape[1])) < 0.5
    return np.where(from_first, parents[first], parents[second])


def mutate(parents: Rows, sizes: Rows, count: int, probability: float, rng: np.random.Generator) -> Rows:
    """`count` copies of random rows of `parents`; each gene changes to another candidate with `probability`."""
    rows = parents[rng.integers(0, len(parents), size=count)]
    others = np.maximum(sizes - 1, 1)
    changed = (rows + rng.integers(1, others + 1, size=rows.shape)) % sizes
    return np.where(rng.random(rows.shape) < probability, changed, rows)


def step(rows: Rows, sizes: Rows, up: NDArray[np.bool_], rng: np.random.Generator) -> Rows:
    """One random gene of each row moves to the next candidate above (`up`, shape (n,)) or below.

    Rows that are at the end already stay.
    """
    movable = np.where(up[:, None], rows < sizes - 1, rows > 0)
    gene = np.argmax(movable * (1.0 - rng.random(rows.shape)), axis=1)
    line = np.arange(len(rows))
    moved = rows.copy()
    moved[line, gene] += np.where(up, 1, -1) * movable[line, gene]
    return moved


RANKS = ("pareto", "accuracy", "bins")


def select_parents(
    points: Iterable[Evaluated],
    count: int,
    *,
    rank: str = "pareto",
    metric: str = "top1",
    cost: Cost = mflops_cost,
    bin_mflops: float = 10.0,
) -> list[Evaluated]:
    """At most `count` parents; the order of `points` has no say.

    Args:
        points: Subnets within the range that is searched.
        count: How many.
        rank: ``"accuracy"`` takes the best by `metric`, as the AlphaNet paper words it (section 4.2), the cheaper of
            equals first. ``"pareto"`` takes one non-dominated front of (cost, metric) after the other, which keeps
            the cheap end alive, as the AttentiveNAS evolution does with its Pareto set; of the last front only as
            many as fit, evenly over the cost. ``"bins"`` takes the best of each bin of MFLOPs, as the released
            example does; of more than `count` bins those evenly over MFLOPs.
        metric: The more the better.
        cost: Of ``"pareto"`` and among equals of ``"accuracy"``. Bins are of MFLOPs whatever it is.
        bin_mflops: Width of a bin.
    """
    if rank not in RANKS:
        raise ValueError(f"rank: {rank!r} is not known; choose from {', '.join(RANKS)}")
    if rank == "bins":
        best = best_of_bins(points, bin_mflops, metric)
        return [best[index] for index in spread_indices(np.asarray([point.mflops for point in best]), count)]
    ordered = cheapest_first(points, metric, cost)
    if rank == "accuracy":
        return sorted(ordered, key=lambda point: -point.score(metric))[:count]
    return _peel_fronts(ordered, count, metric, cost)


def _peel_fronts(ordered: list[Evaluated], count: int, metric: str, cost: Cost) -> list[Evaluated]:
    parents: list[Evaluated] = []
    while ordered and len(parents) < count:
        front, ordered = split_front(ordered, metric)
        positions = np.asarray([cost(point) for point in front])
        parents += [front[index] for index in spread_indices(positions, count - len(parents))]
    return parents
