"""How a search learns what a subnet is worth, and what an evaluation yields."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass

from ..spaces import Arch


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of one network over `count` images."""

    top1: float
    """Per cent of images whose label has the highest logit, 0..100."""
    top5: float | None
    """Per cent of images whose label is among the five highest logits; None where no more than five classes are."""
    loss: float
    """Mean cross entropy in nats."""
    count: int

    def to_dict(self) -> dict[str, float]:
        """The figures by their names, without what is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Evaluator(ABC):
    """Arch -> metrics. The same arch always gets the same metrics."""

    @abstractmethod
    def __call__(self, arch: Arch) -> Metrics: ...
