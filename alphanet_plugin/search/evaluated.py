"""A subnet with what was measured of it, and by which cost a search compares subnets."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SearchError
from ..spaces import Arch, SearchSpace


@dataclass(frozen=True)
class Evaluated:
    """An arch, its cost, and its metrics.

    Attributes:
        arch: The subnet.
        mflops: Multiply-adds / 1e6 at the arch's resolution.
        metrics: What the evaluator gave, such as top1, top5 and loss, in the evaluator's units.
        share: Of the image passes of a full evaluation, 0..1. Figures of different shares do not compare; what is
            below 1 only chooses who is evaluated in full.
    """

    arch: Arch
    mflops: float
    metrics: Mapping[str, float] = field(hash=False)
    share: float = 1.0

    def score(self, metric: str) -> float:
        """The metric that a search ranks by: finite, and the higher the better.

        Raises:
            SearchError: The metric is missing or not finite, or is a loss.
        """
        if metric == "loss":
            raise SearchError("subnets are ranked by a metric of which more is better; loss is not one, choose top1")
        if metric not in self.metrics:
            raise SearchError(f"no metric {metric!r} was measured; there are {', '.join(self.metrics) or 'none'}")
        value = self.metrics[metric]
        if not math.isfinite(value):
            raise SearchError(
                f"metric {metric} is {value}, which cannot be ranked, for {self.arch}; "
                "check the supernet's weights and the images of the BatchNorm calibration"
            )
        return value


def check_evaluated(subnet: Evaluated, space: SearchSpace, num_classes: int) -> None:
    """ValueError unless a subnet that was read from a file can be of this space: arch, cost, and figures in range."""
    arch = space.validate(subnet.arch)
    mflops = space.mflops(arch, num_classes)
    if not math.isclose(mflops, subnet.mflops, rel_tol=1e-6):
        raise ValueError(f"mflops is {subnet.mflops:g}, and of this arch {mflops:g}")
    for name, value in subnet.metrics.items():
        most = 100.0 if name in ("top1", "top5") else math.inf
        if math.isfinite(value) and not 0 <= value <= most:
            raise ValueError(f"{name} is {value:g}, outside 0 to {most:g}")


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
