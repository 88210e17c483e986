"""Which archs a step trains, and archs of a given cost."""

from .attentive import AttentiveSampler
from .band import Band, sample_in_band
from .cost_chain import CostChain
from .flops_prior import FlopsPrior
from .largest import LargestSampler
from .one_resolution import OneResolution
from .sampler import BatchLosses, Sampler
from .sandwich import SandwichSampler
from .uniform import UniformSampler

__all__ = [
    "AttentiveSampler", "Band", "BatchLosses", "CostChain", "FlopsPrior", "LargestSampler", "OneResolution", "Sampler",
    "SandwichSampler", "UniformSampler", "sample_in_band",
]  # fmt: skip
