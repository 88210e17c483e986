"""Which archs a step trains."""

from .band import Band, sample_in_band
from .cost_chain import CostChain
from .sampler import Sampler
from .sandwich import SandwichSampler

__all__ = ["Band", "CostChain", "Sampler", "SandwichSampler", "sample_in_band"]
