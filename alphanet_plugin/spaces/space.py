"""What every search space answers."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import brief
from .arch import Arch, Number
from .costs import Cost, MacPart
from .gene import AnyGene, ContinuousGene
from .network import NetworkSpec


class SearchSpace(ABC):
    """A table of genes with the rule that turns an arch into a network.

    Archs come in two forms: `Arch` objects, and *values*: numbers in the order of `genes`, one row an arch, which is
    what the vectorised methods take and give. They are integers, but floats where a gene is continuous.
    """

    name: str
    genes: tuple[AnyGene, ...]

    # -- what a space defines -------------------------------------------------------------------------------------

    @abstractmethod
    def network(self, arch: Arch) -> NetworkSpec:
        """The blueprint of an arch's network."""

    @abstractmethod
    def cost(self, arch: Arch, num_classes: int = 1000) -> Cost:
        """Multiply-adds and parameters of an arch with a classifier of `num_classes`."""

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
        if not isinstance(arch, Arch):
            arch = Arch(arch)
        self._check_fields(arch)
        return self._assemble([gene.check(_read(arch, gene)) for gene in self.genes])

    def largest(self) -> Arch:
        """Every gene at its greatest candidate."""
        return self._assemble([gene.greatest for gene in self.genes])

    def smallest(self) -> Arch:
        """Every gene at its least candidate."""
        return self._assemble([gene.least for gene in self.genes])

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
        return values

    def values(self, arch: Arch) -> tuple[Number, ...]:
        """The arch's values in the order of `genes`."""
        return tuple(_read(arch, gene) for gene in self.genes)

    def values_batch(self, archs: Iterable[Arch]) -> NDArray[Any]:
        """Values (n, genes) of archs."""
        return np.asarray([self.values(arch) for arch in archs], dtype=self.values_dtype).reshape(-1, len(self.genes))

    def from_values(self, values: Iterable[Number]) -> Arch:
        """The checked arch that has these values, given in the order of `genes`."""
        values = [value.item() if isinstance(value, np.generic) else value for value in values]
        if len(values) != len(self.genes):
            raise ValueError(f"space {self.name} has {len(self.genes)} genes, got {len(values)} values")
        return self._assemble([gene.check(value) for gene, value in zip(self.genes, values, strict=True)])

    def from_values_batch(self, values: NDArray[Any]) -> list[Arch]:
        """The checked archs that have these values (n, genes)."""
        return [self.from_values(row) for row in self._as_values(values).tolist()]

    @property
    def num_archs(self) -> int:
        """How many archs the space holds; values of a continuous gene that make the same network count once."""
        return int(np.prod([len(gene.choices) for gene in self.genes], dtype=object))

    # -- costs ----------------------------------------------------------------------------------------------------

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
        for gene in self.genes:
            lengths[gene.field] = None if gene.index is None else gene.index + 1
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

    def _assemble(self, values: Sequence[Number]) -> Arch:
        fields: dict[str, Any] = {}
        for gene, value in zip(self.genes, values, strict=True):
            if gene.index is None:
                fields[gene.field] = value
            else:
                fields.setdefault(gene.field, []).append(value)
        return Arch(fields)

    def _check_fields(self, arch: Arch) -> None:
        for field in arch:
            if field not in self._field_lengths:
                near = difflib.get_close_matches(str(field)[:60], self._field_lengths, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(self._field_lengths)}"
                raise ValueError(f"space {self.name} has no field {brief(field)}{hint}")
        for field, length in self._field_lengths.items():
            names = [gene.name for gene in self.genes if gene.field == field]
            if field not in arch:
                raise ValueError(f"field {field} is missing; it holds {', '.join(names)}")
            value = arch[field]
            given = len(value) if isinstance(value, tuple) else None
            if given != length:
                want = "one number" if length is None else f"{length} numbers ({', '.join(names)})"
                raise ValueError(f"field {field} takes {want}, got {brief(value)}")


def _read(arch: Arch, gene: AnyGene) -> Number:
    value = arch[gene.field]
    return value[gene.index] if isinstance(value, tuple) else value  # type: ignore[index]
