"""Which archs a step trains, and archs of a given cost."""

from .attentive import AttentiveSampler, FlopsPrior
from .band import Band, sample_in_band
from .cost_chain import CostChain
from .sampler import BatchLosses, LargestSampler, OneResolution, Sampler, SandwichSampler, UniformSampler

__all__ = [
    "AttentiveSampler", "Band", "BatchLosses", "CostChain", "FlopsPrior", "LargestSampler", "OneResolution", "Sampler",
    "SandwichSampler", "UniformSampler", "sample_in_band",
]  # fmt: skip
