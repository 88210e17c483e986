"""Which archs a step trains: the ``sampler`` section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .require import require


@dataclass(frozen=True, kw_only=True)
class SandwichConfig:
    """The sandwich rule: the largest arch, random ones, the smallest.

    Attributes:
        name: ``sandwich``.
        num_random: How many random archs a step trains beside the two ends.
    """

    name: Literal["sandwich"] = "sandwich"
    num_random: int = 2

    def __post_init__(self) -> None:
        require(self.num_random >= 0, f"num_random must be 0 or more, not {self.num_random}")


@dataclass(frozen=True, kw_only=True)
class LargestConfig:
    """The largest arch alone.

    Attributes:
        name: ``largest``.
    """

    name: Literal["largest"] = "largest"


@dataclass(frozen=True, kw_only=True)
class UniformConfig:
    """Random archs and no others; of a step's the most costly learns from the labels and teaches the rest.

    Attributes:
        name: ``uniform``.
        num_archs: How many archs a step trains.
    """

    name: Literal["uniform"] = "uniform"
    num_archs: int = 4

    def __post_init__(self) -> None:
        require(self.num_archs >= 1, f"num_archs must be at least 1, not {self.num_archs}")


@dataclass(frozen=True, kw_only=True)
class AttentiveConfig:
    """The sandwich rule with attended archs in place of random ones; see `alphanet_plugin.samplers.AttentiveSampler`.

    Attributes:
        name: ``attentive``.
        num_random: How many attended archs a step trains beside the two ends.
        num_candidates: Of how many archs of one cost each is taken (k).
        mode: ``best_up`` takes the most promising one, ``worst_up`` the least.
        rank_by: ``loss`` on the labels of the step's batch. (A predictor is given to the sampler in Python.)
        bin_mflops: Width of the bins of the prior over MFLOPs; a few MFLOPs suit small resolutions.
    """

    name: Literal["attentive"] = "attentive"
    num_random: int = 2
    num_candidates: int = 3
    mode: Literal["best_up", "worst_up"] = "best_up"
    rank_by: Literal["loss"] = "loss"
    bin_mflops: float = 25.0

    def __post_init__(self) -> None:
        require(self.num_random >= 0, f"num_random must be 0 or more, not {self.num_random}")
        require(self.num_candidates >= 1, f"num_candidates must be at least 1, not {self.num_candidates}")
        require(self.bin_mflops > 0, f"bin_mflops must be above 0, not {self.bin_mflops}")


SamplerConfig = SandwichConfig | UniformConfig | AttentiveConfig | LargestConfig
"""The ``name`` of the section says which."""
