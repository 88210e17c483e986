"""What holds at a point of training."""

from .ramp import Ramp
from .rate import PhaseRate
from .schedule import Schedule
from .timeline import Phase, Timeline
from .warmup_cosine import WarmupCosine

__all__ = ["Phase", "PhaseRate", "Ramp", "Schedule", "Timeline", "WarmupCosine"]
