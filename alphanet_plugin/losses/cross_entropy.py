"""Cross entropy on labels with label smoothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import check_matrix, log_probabilities, number_between

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class LabelSmoothingCrossEntropy(nn.Module):
    """Mean of (1 - s) (-log q_label) + s mean_k(-log q_k): Szegedy et al. 2016, as `F.cross_entropy` has it.

    Differs from `F.cross_entropy(label_smoothing=s)` in being finite for every finite logit, and in computing
    half-precision logits in float32 whether or not autocast is on. Soft labels, as mixup makes them, are smoothed too,
    which is what timm's Mixup does with a smoothing of its own.
    """

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = number_between("smoothing", smoothing, 0.0, 1.0)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss (scalar) of `logits (B, K)` at integer `labels (B,)`, or at probabilities `labels (B, K)`."""
        _check_labels(logits, labels)
        log_q = log_probabilities(logits)
        if labels.is_floating_point():
            at_label = (labels * log_q).sum(dim=-1)
        else:
            at_label = log_q.gather(1, labels.long().unsqueeze(1)).squeeze(1)
        return -((1 - self.smoothing) * at_label + self.smoothing * log_q.mean(dim=-1)).mean()

    def extra_repr(self) -> str:
        return f"smoothing={self.smoothing}"


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    check_matrix("logits", logits)
    if labels.is_floating_point() and labels.shape == logits.shape:
        return
    if labels.dtype not in _INTEGERS:
        raise ValueError(f"labels must be integers, one class index per sample, got {labels.dtype}")
    if labels.shape != logits.shape[:1]:
        raise ValueError(
            f"labels must have shape (B,) = {tuple(logits.shape[:1])} for logits {tuple(logits.shape)}, "
            f"got {tuple(labels.shape)}"
        )
