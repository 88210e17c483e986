"""What an evaluation yields."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of one network over `count` images."""

    top1: float
    """Per cent of images whose label has the highest logit, 0..100."""
    top5: float
    """Per cent of images whose label is among the five highest logits (all of them if there are fewer classes)."""
    loss: float
    """Mean cross entropy in nats."""
    count: int
