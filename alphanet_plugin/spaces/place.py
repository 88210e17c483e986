"""Where each entry of an arch comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .gene import AnyGene


class Activity(NamedTuple):
    """A block's entries act only where its stage has more blocks than its number.

    Attributes:
        depth: Which place of the arch holds the stage's depth.
        block: The block's number in its stage, from 0 on.
    """

    depth: int
    block: int


class Place(NamedTuple):
    """One entry of an arch.

    Attributes:
        gene: Its gene in the whole space, with all candidates.
        column: The column of values that it is read from.
        follows: Where it follows another gene, whose column that is: its value for each value of that gene.
        activity: When it acts; None for always.
    """

    gene: AnyGene
    column: int
    follows: Mapping[int, int] | None = None
    activity: Activity | None = None

    def of(self, value: Any) -> Any:
        """The entry where its column has this value."""
        return value if self.follows is None else self.follows[value]

    def entries(self, values: NDArray[Any]) -> NDArray[Any]:
        """The entries (n,) for values (n, genes)."""
        column = values[:, self.column]
        if self.follows is None:
            return column
        leaders = np.asarray(sorted(self.follows))
        return np.asarray([self.follows[leader] for leader in leaders.tolist()])[np.searchsorted(leaders, column)]
