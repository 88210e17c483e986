"""Divergences computed in one pass: the value and its gradient together, in row blocks, from one softmax a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .base import KDLoss, log_probabilities, number_between

HUGE = 1e30
"""Values and weights saturate here, which leaves float32 room for a sum over any batch."""
_WORKSPACE = 2**18
"""Elements worked on at a time: a large batch goes through in row blocks, so temporaries stay small."""
_FLOAT16_MAX = torch.finfo(torch.float16).max


class Term(Protocol):
    """A divergence D between teacher p and student q, given both as log-probabilities.

    Called with `log_p (B, K)` and `log_q (B, K)`, which it leaves as they are, it returns two new tensors: values D
    `(B,)`, and weights w = -dD / d(log q) `(B, K)`, to which each row may add a multiple of its q. The gradient with
    respect to the student's logits is q_j sum_i(w_i) - w_j, from which such a multiple drops out.
    """

    def __call__(self, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]: ...


class LargestTerm:
    """Per sample the larger of two divergences, value and gradient: eq. 4 of AlphaNet (Wang et al. 2021)."""

    def __init__(self, first: Term, second: Term) -> None:
        self.first, self.second = first, second

    def __call__(self, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
        """As `Term`; the first where both are equal."""
        value, weight = self.first(log_p, log_q)
        other, other_weight = self.second(log_p, log_q)
        weight = torch.where((other > value).unsqueeze(1), other_weight, weight)
        return torch.maximum(value, other), weight


class SumTerm:
    """The sum of two divergences."""

    def __init__(self, first: Term, second: Term) -> None:
        self.first, self.second = first, second

    def __call__(self, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
        """As `Term`."""
        value, weight = self.first(log_p, log_q)
        other, other_weight = self.second(log_p, log_q)
        return value.add_(other), weight.add_(other_weight)


class OnePassLoss(KDLoss):
    """T^2 D(p_T || q_T) for a term D, p_T and q_T the teacher's and student's softmax(logits / T).

    The factor T^2 keeps the size of the gradient comparable between temperatures (Hinton et al. 2015). Finite
    logits of any size give finite values and gradients; the gradient can be taken once, not twice.

    Args:
        term: D.
        temperature: T, from 1e-6 to 1e6.
    """

    def __init__(self, term: Term, temperature: float = 1.0) -> None:
        super().__init__()
        self._term = term
        self.temperature = number_between("temperature", temperature, 1e-6, 1e6)

    def per_sample(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        return one_pass(student_logits, teacher_logits, self._term, self.temperature)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}"


def one_pass(student_logits: Tensor, teacher_logits: Tensor, term: Term, temperature: float) -> Tensor:
    """T^2 D(p_T || q_T) per sample `(B,)` from logits `(B, K)`, with its gradient for the student's alone."""
    return _OnePass.apply(student_logits, teacher_logits, term, temperature)  # pyright: ignore[reportReturnType]


class _OnePass(torch.autograd.Function):
    """The gradient is ready after the forward pass, and is all that is kept for the backward one."""

    @staticmethod
    def forward(ctx: Any, student_logits: Tensor, teacher_logits: Tensor, term: Term, temperature: float) -> Tensor:
        dtype = torch.promote_types(torch.promote_types(student_logits.dtype, teacher_logits.dtype), torch.float32)
        values = student_logits.new_empty(len(student_logits), dtype=dtype)
        slopes = torch.empty_like(student_logits, dtype=dtype)
        for rows in _row_blocks(*student_logits.shape):
            log_p = log_probabilities(teacher_logits[rows].to(dtype), temperature)
            log_q = log_probabilities(student_logits[rows].to(dtype), temperature)
            values[rows], weight = term(log_p, log_q)
            mean_g = weight.sum(dim=-1, keepdim=True)
            torch.sub(log_q.exp_().mul_(mean_g), weight, out=slopes[rows])  # -q_j (g_j - E_q[g])
        if temperature != 1.0:  # T^2 on the value; of its slope one T goes into d(logits / T)
            values.mul_(temperature**2).clamp_(-HUGE, HUGE)
            slopes.mul_(temperature).clamp_(-HUGE, HUGE)
        if student_logits.dtype == torch.float16:  # bounded before, not after, a GradScaler's factor: it must see inf
            slopes.clamp_(-_FLOAT16_MAX, _FLOAT16_MAX)
        ctx.save_for_backward(slopes)
        ctx.dtype = student_logits.dtype
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return (slopes * grad_outputs[0].unsqueeze(1)).to(ctx.dtype), None, None, None


def _row_blocks(batch: int, classes: int) -> Iterator[slice]:
    step = max(1, _WORKSPACE // classes)
    return (slice(start, start + step) for start in range(0, batch, step))
