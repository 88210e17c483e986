"""What holds at a point of training."""

from .schedule import Schedule
from .warmup_cosine import WarmupCosine

__all__ = ["Schedule", "WarmupCosine"]
