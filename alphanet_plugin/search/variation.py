"""How an evolution makes new archs from old ones, many at a time.

Archs are rows of *choice indices* here: for every gene the place of its value among the gene's candidates. Values of a
continuous gene that make the same network have the same place, and come back as the candidate that stands for them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spaces import SearchSpace

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
