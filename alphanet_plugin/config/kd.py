"""How a student learns from a teacher: the ``kd`` section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .reading import UNBOUNDED


@dataclass(frozen=True, kw_only=True)
class AdaptiveAlphaConfig:
    """Adaptive alpha-divergence (AlphaNet, eq. 4 and 5); see `alphanet_plugin.losses.AdaptiveAlphaDivergence`.

    Attributes:
        name: ``adaptive_alpha``.
        alpha_min: Penalises over-estimated uncertainty.
        alpha_max: Penalises under-estimated uncertainty.
        clip: Upper bound beta of (p / q)^alpha; ``.inf`` for none.
        form: ``reference``, ``paper`` or ``exact``.
        temperature: Divides both networks' logits; its square multiplies the loss.
    """

    name: Literal["adaptive_alpha"] = "adaptive_alpha"
    alpha_min: float = -1.0
    alpha_max: float = 1.0
    clip: float = field(default=5.0, metadata={UNBOUNDED: True})
    form: Literal["reference", "paper", "exact"] = "reference"
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class AlphaConfig:
    """One alpha-divergence with the clipped gradient of eq. 5; see `alphanet_plugin.losses.AlphaDivergence`.

    Attributes:
        name: ``alpha``.
        alpha: Which one: negative penalises over-estimated uncertainty, positive under-estimated.
        clip: Upper bound beta of (p / q)^alpha; ``.inf`` for none.
        form: ``reference``, ``paper`` or ``exact``.
        temperature: Divides both networks' logits; its square multiplies the loss.
    """

    name: Literal["alpha"] = "alpha"
    alpha: float
    clip: float = field(default=5.0, metadata={UNBOUNDED: True})
    form: Literal["reference", "paper", "exact"] = "reference"
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class KLConfig:
    """KL(p || q) from the teacher p to the student q, times the squared temperature.

    Attributes:
        name: ``kl``.
        temperature: Divides both networks' logits.
    """

    name: Literal["kl"] = "kl"
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ReverseKLConfig:
    """KL(q || p) from the student q to the teacher p, times the squared temperature.

    Attributes:
        name: ``reverse_kl``.
        temperature: Divides both networks' logits.
    """

    name: Literal["reverse_kl"] = "reverse_kl"
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class SymmetricKLConfig:
    """KL(p || q) + KL(q || p), times the squared temperature.

    Attributes:
        name: ``symmetric_kl``.
        temperature: Divides both networks' logits.
    """

    name: Literal["symmetric_kl"] = "symmetric_kl"
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class NoKDConfig:
    """No distillation: every subnet learns from the labels as the largest arch does, label smoothing included.

    The log's ``kd_loss`` is then the subnets' mean loss on the labels.

    Attributes:
        name: ``none``.
    """

    name: Literal["none"] = "none"


KDConfig = AdaptiveAlphaConfig | AlphaConfig | KLConfig | ReverseKLConfig | SymmetricKLConfig | NoKDConfig
"""How the subnets of a step learn: the ``name`` of the section says which."""
