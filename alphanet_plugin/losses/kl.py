"""Kullback-Leibler divergence from teacher to student, with a temperature."""

from __future__ import annotations

from torch import Tensor

from alphanet_plugin.losses.base import KDLoss, log_probabilities
from alphanet_plugin.losses.checks import number_between


class KLDivergence(KDLoss):
    """T^2 KL(p_T || q_T), p_T and q_T the teacher's and student's softmax at temperature T.

    Hinton et al. 2015; eq. 2 of AlphaNet (Wang et al. 2021) at T = 1. The factor T^2 keeps the size of the
    gradient comparable between temperatures.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = number_between("temperature", temperature, 1e-6, 1e6)

    def per_sample(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        log_p = log_probabilities(teacher_logits, self.temperature)
        log_q = log_probabilities(student_logits, self.temperature)
        divergence = (log_p.exp() * (log_p - log_q)).sum(dim=-1)
        above_zero = divergence + divergence.detach().neg().clamp_(min=0)  # rounding goes, the gradient stays
        return self.temperature**2 * above_zero

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}"
