"""What every search space answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import brief
from ..nearest import did_you_mean
from .arch import Arch, Number
from .costs import Cost, MacPart, network_cost
from .gene import AnyGene, ContinuousGene, Place
from .network import NetworkSpec


class SearchSpace(ABC):
    """A table of genes with the rule that turns an arch into a network.

    Archs come in two forms: `Arch` objects, and *values*: numbers in the order of `genes`, one row an arch, which is
    what the vectorised methods take and give. They are integers, but floats where a gene is continuous.

    Archs that differ only in blocks which their depths leave out are one network. Every Arch that a space makes or
    checks therefore holds the least candidate of the whole space for such a block, so that equal networks are equal
    archs: printed, hashed and evaluated as one.

    Attributes:
        name: What the space is called.
        genes: What is decided, each independently of the others, in the order of values.
        in_chans: Channels of the images that its networks take.
    """

    name: str
    genes: tuple[AnyGene, ...]
    in_chans: int = 3

    # -- what a space defines -------------------------------------------------------------------------------------

    @abstractmethod
    def network(self, arch: Arch) -> NetworkSpec:
        """The blueprint of an arch's network."""

    @abstractmethod
    def cost_batch(self, values: NDArray[Any], num_classes: int = 1000) -> NDArray[np.int64]:
        """The entries of `cost`, int64 (3, n), for values (n, genes)."""

    @property
    @abstractmethod
    def presets(self) -> Mapping[str, Arch]:
        """Named archs, smallest first."""

    @abstractmethod
    def to_config(self) -> dict[str, Any]:
        """The arguments of `get_space` that make this space again, `name` included."""

    def mac_parts(self, num_classes: int = 1000) -> list[MacPart]:  # noqa: ARG002
        """Multiply-adds as a sum of parts, each of a few genes, in the order of the network.

        What draws archs of a given cost (`alphanet_plugin.samplers.sample_in_band`) counts along this order, so a gene
        should occur in parts that are near each other, or have few candidates.

        Raises:
            ValueError: The space does not say of which parts its cost is made.
        """
        raise ValueError(
            f"space {self.name} does not say of which parts its multiply-adds are made; "
            f"define {type(self).__name__}.mac_parts, or draw by sample_batch and keep what costs as much as wanted"
        )

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where each entry of an arch comes from: one from each gene, unless some follow others."""
        return tuple(Place(gene, column) for column, gene in enumerate(self.genes))

    # -- archs ----------------------------------------------------------------------------------------------------

    def arch(self, **fields: Number | Sequence[Number]) -> Arch:
        """A checked arch from its fields.

        Raises:
            ValueError: A field is missing, unknown or of the wrong length, or a value is not among its gene's
                candidates or in its range; the message names the gene and the candidates.
        """
        return self.validate(Arch(fields))

    def parse(self, text: str) -> Arch:
        """A checked arch from its printed form (``str(arch)``)."""
        return self.validate(Arch.parse(text))

    def validate(self, arch: Arch | Mapping[str, Any]) -> Arch:
        """`arch`, with its fields in this space's order; ValueError as in `arch`."""
        entries = self._entries_of_whole(arch if isinstance(arch, Arch) else Arch(arch))
        for place, entry in zip(self.places, entries, strict=True):
            if not _is_idle(place, entries):
                self._check_choice(place, entry, entries)
        return self._assemble(entries)

    def holds(self, arch: Arch) -> bool:
        """Whether `validate` accepts an arch."""
        try:
            self.validate(arch)
        except ValueError:
            return False
        return True

    def largest(self) -> Arch:
        """Every gene at its greatest candidate."""
        return self.from_values([gene.greatest for gene in self.genes])

    def smallest(self) -> Arch:
        """Every gene at its least candidate."""
        return self.from_values([gene.least for gene in self.genes])

    def sample(self, rng: np.random.Generator) -> Arch:
        """An arch drawn uniformly, each gene independently."""
        return self.from_values(self.sample_batch(1, rng)[0])

    def sample_batch(self, count: int, rng: np.random.Generator) -> NDArray[Any]:
        """Values (count, genes) of archs drawn uniformly, each gene independently."""
        indices = rng.integers(0, self._sizes, size=(count, len(self.genes)))
        values = self._choice_table[np.arange(len(self.genes)), indices]
        for column, gene in enumerate(self.genes):
            if isinstance(gene, ContinuousGene):
                values[:, column] = rng.uniform(gene.low, gene.high, size=count)
        return self.canonical(values)

    def canonical(self, values: NDArray[Any]) -> NDArray[Any]:
        """`values` (n, genes) with the least candidate in every block that its stage's depth leaves out."""
        if not self._of_blocks:
            return values
        values = values.copy()
        for column, (depth, block) in self._of_blocks.items():
            values[depth.entries(values) <= block, column] = self.genes[column].least
        return values

    def canonical_choices(self, columns: Sequence[int]) -> NDArray[np.bool_] | None:
        """bool (product of the candidates of these columns' genes,): which of them `canonical` leaves as they are.

        The last gene varies fastest, as in `MacPart`. None: all.
        """
        if not self._of_blocks.keys() & {*columns}:
            return None
        choices = [self.genes[column].choices for column in columns]
        values = np.zeros((prod(map(len, choices)), len(self.genes)), dtype=self.values_dtype)
        values[:, list(columns)] = list(product(*choices))
        return (self.canonical(values)[:, list(columns)] == values[:, list(columns)]).all(axis=1)

    def values(self, arch: Arch) -> tuple[Number, ...]:
        """The arch's values in the order of `genes`."""
        entries = [_read(arch, place.gene) for place in self.places]
        values: list[Number] = [gene.least for gene in self.genes]
        for place, entry in zip(self.places, entries, strict=True):
            if place.follows is None and not _is_idle(place, entries):
                values[place.column] = entry
        return tuple(values)

    def values_batch(self, archs: Iterable[Arch]) -> NDArray[Any]:
        """Values (n, genes) of archs."""
        return np.asarray([self.values(arch) for arch in archs], dtype=self.values_dtype).reshape(-1, len(self.genes))

    def from_values(self, values: Iterable[Number]) -> Arch:
        """The checked arch that has these values, given in the order of `genes`."""
        values = [value.item() if isinstance(value, np.generic) else value for value in values]
        if len(values) != len(self.genes):
            raise ValueError(f"space {self.name} has {len(self.genes)} genes, got {len(values)} values")
        row = [gene.check(value) for gene, value in zip(self.genes, values, strict=True)]
        return self._assemble(self._without_idle([place.of(row[place.column]) for place in self.places]))

    def from_values_batch(self, values: NDArray[Any]) -> list[Arch]:
        """The checked archs that have these values (n, genes)."""
        return [self.from_values(row) for row in self._as_values(values).tolist()]

    @property
    def num_archs(self) -> int:
        """How many different networks the space holds.

        Values of a continuous gene that make the same network count once, and so do archs that differ only in blocks
        which are left out.
        """
        count = 1
        for column, gene in enumerate(self.genes):
            if column not in self._of_blocks:
                count *= sum(self._ways(column, value) for value in gene.choices)
        return count

    # -- costs ----------------------------------------------------------------------------------------------------

    def cost(self, arch: Arch, num_classes: int = 1000) -> Cost:
        """Multiply-adds and parameters of an arch with a classifier of `num_classes`."""
        return network_cost(self.network(arch), num_classes)

    def mflops(self, arch: Arch, num_classes: int = 1000) -> float:
        """Multiply-adds / 1e6 at the arch's resolution."""
        return self.cost(arch, num_classes).macs / 1e6

    def params(self, arch: Arch, num_classes: int = 1000, *, idle_shortcuts: bool = True) -> int:
        """Number of parameters.

        Args:
            arch: The arch.
            num_classes: Outputs of the classifier.
            idle_shortcuts: Count as published, with the shortcut kernels that the released program keeps in blocks
                whose shortcut is the identity. False: exactly what the static model holds.
        """
        cost = self.cost(arch, num_classes)
        return cost.params + cost.idle_params * idle_shortcuts

    def mflops_batch(self, archs: NDArray[Any] | Iterable[Arch], num_classes: int = 1000) -> NDArray[np.float64]:
        """Multiply-adds / 1e6, float64 (n,), for values (n, genes) or for Arch objects."""
        return self.cost_batch(self._as_values(archs), num_classes)[0] / 1e6

    def params_batch(
        self, archs: NDArray[Any] | Iterable[Arch], num_classes: int = 1000, *, idle_shortcuts: bool = True
    ) -> NDArray[np.int64]:
        """Numbers of parameters, int64 (n,), for values (n, genes) or for Arch objects; see `params`."""
        _, params, idle_params = self.cost_batch(self._as_values(archs), num_classes)
        return params + idle_params * idle_shortcuts

    # -- inside ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.to_config().items() if key != "name")
        return f"get_space({self.name!r}, {arguments})"

    @cached_property
    def values_dtype(self) -> type[np.int64] | type[np.float64]:
        """Of values: float64 where a gene is continuous, else int64."""
        return np.float64 if any(isinstance(gene, ContinuousGene) for gene in self.genes) else np.int64

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.asarray([len(gene.choices) for gene in self.genes], dtype=np.int64)

    @cached_property
    def _choice_table(self) -> NDArray[Any]:
        """Candidates (genes, most candidates), filled up with the last one."""
        width = int(self._sizes.max())
        rows = [(*gene.choices, *gene.choices[-1:] * (width - len(gene.choices))) for gene in self.genes]
        return np.asarray(rows, dtype=self.values_dtype)

    @cached_property
    def _field_lengths(self) -> dict[str, int | None]:
        lengths: dict[str, int | None] = {}
        for place in self.places:
            lengths[place.gene.field] = None if place.gene.index is None else place.gene.index + 1
        return lengths

    def _as_values(self, archs: NDArray[Any] | Iterable[Arch]) -> NDArray[Any]:
        values = archs if isinstance(archs, np.ndarray) else self.values_batch(archs)
        kind = np.integer if self.values_dtype is np.int64 else np.number
        if values.ndim != 2 or values.shape[1] != len(self.genes) or not np.issubdtype(values.dtype, kind):
            kinds = "integers" if kind is np.integer else "numbers"
            raise ValueError(
                f"values of space {self.name} are {kinds} (n, {len(self.genes)}), not {values.dtype} {values.shape}"
            )
        return values

    @cached_property
    def _of_blocks(self) -> dict[int, tuple[Place, int]]:
        """The columns of genes of blocks that a depth may leave out: the place of that depth, the block's number."""
        return {
            place.column: (self.places[place.activity.depth], place.activity.block)
            for place in self.places
            if place.activity is not None and place.follows is None
        }

    def _ways(self, column: int, value: Number) -> int:
        """How many choices of the blocks that depend on a depth there are where the gene of `column` is `value`."""
        ways = 1
        for of_block, (depth, block) in self._of_blocks.items():
            if depth.column == column and block < depth.of(value):
                ways *= len(self.genes[of_block].choices)
        return ways

    def _entries_of_whole(self, arch: Arch) -> list[Any]:
        """The entries of an arch of the whole space, checked."""
        self._check_fields(arch)
        return self._without_idle([place.gene.check(_read(arch, place.gene)) for place in self.places])

    def _without_idle(self, entries: list[Any]) -> list[Any]:
        """`entries` with the least candidate of the whole space in every block that is left out."""
        return [
            place.gene.least if _is_idle(place, entries) else entry
            for place, entry in zip(self.places, entries, strict=True)
        ]

    def _check_choice(self, place: Place, entry: Number, entries: list[Any]) -> None:
        """ValueError where an entry of the whole space is none of this space's."""
        gene = self.genes[place.column]
        if place.follows is None:
            gene.check(entry)
            return
        leader = next(e for p, e in zip(self.places, entries, strict=True) if p.gene.name == gene.name)
        wanted = place.follows[gene.check(leader)]  # type: ignore[index]
        if entry != wanted:
            raise ValueError(
                f"gene {place.gene.name}: {entry} is not what follows from {gene.name}; where that is {leader}, it is "
                f"{wanted}"
            )

    def _assemble(self, entries: Sequence[Number]) -> Arch:
        fields: dict[str, Any] = {}
        for place, entry in zip(self.places, entries, strict=True):
            if place.gene.index is None:
                fields[place.gene.field] = entry
            else:
                fields.setdefault(place.gene.field, []).append(entry)
        return Arch(fields)

    def _check_fields(self, arch: Arch) -> None:
        for field in arch:
            if field not in self._field_lengths:
                hint = did_you_mean(field, self._field_lengths)
                raise ValueError(f"space {self.name} has no field {brief(field)}; {hint}")
        for field, length in self._field_lengths.items():
            names = [place.gene.name for place in self.places if place.gene.field == field]
            if field not in arch:
                raise ValueError(f"field {field} is missing; it holds {', '.join(names)}")
            value = arch[field]
            given = len(value) if isinstance(value, tuple) else None
            if given is None and length == 1:  # one entry is printed as a number
                continue
            if given != length:
                want = "one number" if length is None else f"{length} numbers ({', '.join(names)})"
                raise ValueError(f"field {field} takes {want}, got {brief(value)}")


def _is_idle(place: Place, entries: Sequence[Any]) -> bool:
    """Whether a place belongs to a block that its stage's depth leaves out."""
    return place.activity is not None and entries[place.activity.depth] <= place.activity.block


def _read(arch: Arch, gene: AnyGene) -> Number:
    value = arch[gene.field]
    return value[gene.index] if isinstance(value, tuple) else value  # type: ignore[index]
