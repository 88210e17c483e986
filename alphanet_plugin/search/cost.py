"""What a subnet costs, for the axis along which a Pareto set is taken."""

from collections.abc import Callable

from ..spaces import SearchSpace
from .evaluated import Evaluated

Cost = Callable[[Evaluated], float]


def mflops_cost(subnet: Evaluated) -> float:
    """Multiply-adds / 1e6, as the subnet carries them."""
    return subnet.mflops


def params_cost(space: SearchSpace, num_classes: int) -> Cost:
    """Parameters / 1e6 of the static model, in closed form from the arch."""
    return lambda subnet: space.params(subnet.arch, num_classes, idle_shortcuts=False) / 1e6
