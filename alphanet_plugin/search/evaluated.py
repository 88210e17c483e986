"""A subnet with what was measured of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

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
