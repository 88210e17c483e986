"""How a search learns what a subnet is worth."""

from abc import ABC, abstractmethod

from ..spaces import Arch
from .metrics import Metrics


class Evaluator(ABC):
    """Arch -> metrics. The same arch always gets the same metrics."""

    @abstractmethod
    def __call__(self, arch: Arch) -> Metrics: ...
