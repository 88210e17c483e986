"""What holds at a point of training."""

from .rate import PhaseRate, Ramp, Schedule, WarmupCosine
from .timeline import Phase, Timeline

__all__ = ["Phase", "PhaseRate", "Ramp", "Schedule", "Timeline", "WarmupCosine"]
