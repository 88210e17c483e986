"""What a subnet costs: the axis along which a Pareto set is taken, and limits of what a candidate may cost beside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spaces import Arch, SearchSpace
from .evaluated import Evaluated

Cost = Callable[[Evaluated], float]


def mflops_cost(subnet: Evaluated) -> float:
    """Multiply-adds / 1e6, as the subnet carries them."""
    return subnet.mflops


def params_cost(space: SearchSpace, num_classes: int) -> Cost:
    """Parameters / 1e6 of the static model, in closed form from the arch."""
    return lambda subnet: space.params(subnet.arch, num_classes, idle_shortcuts=False) / 1e6


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A range, both ends included, that candidates lie within; prints as a phrase.

    Attributes:
        of: Arch -> what it costs.
        of_batch: The same for values (n, genes) of the space, vectorised; None where there is no quick way, and archs
            are then looked at one by one.
        unit: For messages, such as ``ms``.
        least: Infinity's negative for none.
        most: Infinity for none.
    """

    of: Callable[[Arch], float]
    of_batch: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    unit: str
    least: float = -np.inf
    most: float = np.inf

    def side(self, arch: Arch) -> int:
        """-1 below the range, 0 within, 1 above."""
        cost = self.of(arch)
        return int(cost > self.most) - int(cost < self.least)

    def __str__(self) -> str:
        if self.least == -np.inf:
            return f"at most {self.most:,g} {self.unit}"
        return f"at least {self.least:,g}" + (f" and at most {self.most:,g}" * (self.most < np.inf)) + f" {self.unit}"


def params_limit(space: SearchSpace, num_classes: int, least: float | None, most: float | None) -> Limit:
    """Of parameters of the static model; None for no end."""
    return Limit(
        of=lambda arch: space.params(arch, num_classes, idle_shortcuts=False),
        of_batch=lambda values: space.params_batch(values, num_classes, idle_shortcuts=False),
        unit="parameters",
        least=-np.inf if least is None else least,
        most=np.inf if most is None else most,
    )
