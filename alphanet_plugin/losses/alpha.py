"""Kullback-Leibler and alpha-divergence, and its adaptive version, AlphaNet's knowledge-distillation loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .alpha_term import AlphaForm, AlphaTerm
from .base import check_logits
from .one_pass import LargestTerm, OnePassLoss, SumTerm, one_pass

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


class AlphaDivergence(OnePassLoss):
    """D_alpha(p || q) of AlphaNet (Wang et al., ICML 2021), teacher p, student q: eq. 3, clipped gradient eq. 5.

    alpha = 1 is KL(p || q), alpha = 0 is KL(q || p); negative alpha penalises a student that over-estimates the
    teacher's uncertainty, positive alpha one that under-estimates it. The three forms:

    - "reference", what the released AlphaNet program computes. The value clips (p/q)^alpha as the gradient does
      and so may be negative. alpha = 1 is KL, unclipped in value and gradient; |alpha| < 0.001 is KL(q || p) with
      p/q clipped inside the logarithm. The paper has none of these. (|alpha - 1| < 0.001 counts as 1: this
      package's choice, since the clipped eq. 3 grows like 1 / (alpha - 1) there.)
    - "paper", the text. Gradient eq. 5 for every alpha, alpha = 1 included; the value is eq. 3 itself, unclipped.
    - "exact". Gradient eq. 5; the value is the f-divergence of Proposition 3.1 whose gradient that is: never
      negative, zero only where p = q, and of ordinary size however far apart p and q are (alpha = 0 excepted).

    In "paper" and "exact", alpha = 0 is the limit, whose clip point lies at infinity: no clipping. Values that
    would grow without bound ("paper", alpha = 0, unclipped alpha = 1, clip = inf) saturate at 1e30, so finite
    logits give finite numbers. `clip=math.inf` switches clipping off; values and gradients may then be enormous,
    and that sums over them stay finite is not promised.

    With a temperature T it is T^2 D_alpha(p_T || q_T), p_T and q_T being softmax(logits / T), as `KLDivergence`
    has it; the paper has T = 1.

    Args:
        alpha: any number from -1e6 to 1e6.
        clip: beta of eq. 5, above 0.
        form: "reference", "paper" or "exact".
        temperature: T, from 1e-6 to 1e6.
    """

    def __init__(
        self, alpha: float, clip: float = 5.0, form: AlphaForm = "reference", temperature: float = 1.0
    ) -> None:
        super().__init__(AlphaTerm(alpha, clip, form), temperature)
        self.alpha, self.clip, self.form = float(alpha), float(clip), form

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, clip={self.clip}, form={self.form!r}, temperature={self.temperature}"


class AdaptiveAlphaDivergence(OnePassLoss):
    """max{D_alpha_min(p || q), D_alpha_max(p || q)} per sample: eq. 4 of AlphaNet with the gradient of eq. 5.

    The larger of the two values, each as `form` defines it, decides the sample's value and gradient. See
    `AlphaDivergence` for the forms and for clip = inf.

    Args:
        alpha_min: alpha_- of the paper, at most `alpha_max`; 0.0 is a value like any other.
        alpha_max: alpha_+ of the paper.
        clip: beta of eq. 5, above 0.
        form: "reference", "paper" or "exact".
        temperature: T, from 1e-6 to 1e6; see `AlphaDivergence`.
    """

    def __init__(
        self,
        alpha_min: float = -1.0,
        alpha_max: float = 1.0,
        clip: float = 5.0,
        form: AlphaForm = "reference",
        temperature: float = 1.0,
    ) -> None:
        low = AlphaTerm(alpha_min, clip, form, name="alpha_min")
        high = AlphaTerm(alpha_max, clip, form, name="alpha_max")
        if alpha_min > alpha_max:
            raise ValueError(
                f"alpha_min must not exceed alpha_max, got alpha_min={alpha_min!r} and alpha_max={alpha_max!r}"
            )
        super().__init__(LargestTerm(low, high), temperature)
        self._ends = (low, high)
        self.alpha_min, self.alpha_max = float(alpha_min), float(alpha_max)
        self.clip, self.form = float(clip), form

    @torch.no_grad()
    def divergences(self, student_logits: Tensor, teacher_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The two values between which each sample chooses, at alpha_min and at alpha_max, each `(B,)`."""
        check_logits(student_logits, teacher_logits)
        low, high = (one_pass(student_logits, teacher_logits, term, self.temperature) for term in self._ends)
        return low, high

    def extra_repr(self) -> str:
        settings = f"clip={self.clip}, form={self.form!r}, temperature={self.temperature}"
        return f"alpha_min={self.alpha_min}, alpha_max={self.alpha_max}, {settings}"
