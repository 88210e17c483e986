"""Which archs a step trains."""

from .sampler import Sampler
from .sandwich import SandwichSampler

__all__ = ["Sampler", "SandwichSampler"]
