"""One decision of a search space, and where each entry of an arch comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import brief

Values = NDArray[np.integer] | NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Gene:
    """A named decision and its candidates.

    Attributes:
        name: How users meet it, e.g. ``mb3.width``.
        field: The arch's field that holds it, e.g. ``width``.
        index: Its position in that field; None where the field is one number.
        choices: Candidates in ascending order.
    """

    name: str
    field: str
    index: int | None
    choices: tuple[int, ...]

    @property
    def least(self) -> int:
        return self.choices[0]

    @property
    def greatest(self) -> int:
        return self.choices[-1]

    def check(self, value: object) -> int:
        """The candidate equal to `value`; ValueError names the gene, the value and the candidates."""
        for choice in self.choices:
            if choice == value and not isinstance(value, bool):
                return choice
        candidates = ", ".join(map(str, self.choices))
        raise ValueError(f"gene {self.name}: {brief(value)} is not a candidate; choose from {candidates}")

    def indices(self, values: Values) -> NDArray[np.int64]:
        """The place (n,) of each value among the candidates; ValueError as in `check` for a value that is none."""
        index_of = np.full(self.choices[-1] + 2, -1, dtype=np.int64)  # the last entry catches what is too large
        index_of[list(self.choices)] = np.arange(len(self.choices))
        places = np.clip(values, -1, self.choices[-1] + 1)
        indices = index_of[places.astype(np.int64)]
        if not np.issubdtype(values.dtype, np.integer):
            indices[places != np.floor(places)] = -1
        if indices.size and indices.min() < 0:
            self.check(values[np.argmin(indices)].item())
        return indices


@dataclass(frozen=True, kw_only=True)
class ContinuousGene:
    """A named decision for any number of a range, of which runs of numbers make the same network.

    Where archs are drawn to be trained, the whole range counts. Where they are counted, searched or offered one by
    one, each network is one candidate, whatever the length of its run.

    Attributes:
        name: How users meet it, e.g. ``width``.
        field: The arch's field that holds it.
        index: Its position in that field; None where the field is one number.
        low: Least number.
        high: Greatest number, included.
        edges: The least number of each run, ascending; the first is `low`.
        choices: One number of each run, ascending: the roundest.
    """

    name: str
    field: str
    index: int | None
    low: float
    high: float
    edges: tuple[float, ...]
    choices: tuple[float, ...]

    @property
    def least(self) -> float:
        return self.low

    @property
    def greatest(self) -> float:
        return self.high

    def check(self, value: object) -> float:
        """`value` as a float; ValueError names the gene, the value and the range."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high:
            return float(value)
        raise ValueError(
            f"gene {self.name}: {brief(value)} is not in its range; give a number from {self.low} to {self.high}"
        )

    def indices(self, values: Values) -> NDArray[np.int64]:
        """The run (n,) in which each value lies; ValueError as in `check` for a value out of the range."""
        outside = ~((values >= self.low) & (values <= self.high))
        if outside.any():
            self.check(values[np.argmax(outside)].item())
        return np.searchsorted(self.edges, values, side="right") - 1


AnyGene = Gene | ContinuousGene


def check_resolutions(resolutions: Sequence[int]) -> tuple[int, ...]:
    """Candidates for a resolution, as a tuple; ValueError where they cannot be."""
    sides = tuple(resolutions)
    whole = all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0 for side in sides)
    if not sides or not whole or list(sides) != sorted(set(sides)):
        raise ValueError(f"resolutions are ascending whole numbers of pixels like (32, 40, 48, 56), not {resolutions}")
    return tuple(int(side) for side in sides)


def check_in_chans(in_chans: object) -> int:
    """Channels of images; ValueError where that is no whole number above 0."""
    if not isinstance(in_chans, (int, np.integer)) or isinstance(in_chans, bool) or in_chans < 1:
        raise ValueError(f"in_chans is the number of channels of the images, such as 1 or 3, not {brief(in_chans)}")
    return int(in_chans)


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
