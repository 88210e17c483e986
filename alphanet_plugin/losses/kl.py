"""Kullback-Leibler divergences between teacher p and student q, either way round or both, with a temperature."""

from __future__ import annotations

import math

from .alpha_term import AlphaTerm
from .one_pass import OnePassLoss, SumTerm

# Unclipped, alpha = 1 is KL(p || q) and alpha = 0 is KL(q || p): section 3 of AlphaNet (Wang et al. 2021).
_FORWARD = AlphaTerm(1.0, math.inf, "exact")
_REVERSE = AlphaTerm(0.0, math.inf, "exact")


class KLDivergence(OnePassLoss):
    """T^2 KL(p_T || q_T), p_T and q_T the teacher's and student's softmax at temperature T.

    Hinton et al. 2015; eq. 2 of AlphaNet (Wang et al. 2021) at T = 1. The factor T^2 keeps the size of the
    gradient comparable between temperatures. The value saturates at 1e30.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(_FORWARD, temperature)


class ReverseKLDivergence(OnePassLoss):
    """T^2 KL(q_T || p_T): the student is penalised for mass where the teacher has none, and may leave modes out.

    Value and gradient saturate at 1e30, where the teacher rules out what the student believes in.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(_REVERSE, temperature)


class SymmetricKLDivergence(OnePassLoss):
    """T^2 [KL(p_T || q_T) + KL(q_T || p_T)], Jeffreys' divergence; the teacher still gets no gradient.

    Each of the two saturates as `KLDivergence` and `ReverseKLDivergence` do.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(SumTerm(_FORWARD, _REVERSE), temperature)
