"""What one forward pass of a step learns: labels, a teacher's logits, or both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import KDLoss, check_matrix, log_probabilities, number_between


class Objective(nn.Module):
    """(1 - b) CE + b KD, or CE + b KD: every recipe's loss for one network.

    AlphaNet's first network learns from the labels (no `kd`) and its students by KD alone (b = 1); once-for-all adds
    the soft cross entropy to that on labels (`sum_up`; b is its ``kd_ratio``). A network that is trained beside a fixed
    teacher has b between (Hinton et al. 2015). KD losses bring their T^2 along.

    Args:
        kd: The divergence from the teacher; None for the labels alone.
        weight: b, from 0 (labels alone) to 1.
        label_smoothing: Of the cross entropy on labels.
        sum_up: CE + b KD in place of (1 - b) CE + b KD.

    Raises:
        ValueError: `weight` or `label_smoothing` is not from 0 to 1.
    """

    def __init__(
        self, kd: KDLoss | None = None, weight: float = 1.0, label_smoothing: float = 0.1, sum_up: bool = False
    ) -> None:
        super().__init__()
        if kd is not None and not isinstance(kd, KDLoss):
            raise TypeError(f"kd must be a KDLoss, such as KLDivergence(), or None for labels alone, got {kd!r}")
        self.kd = kd
        self.weight = number_between("weight", weight, 0.0, 1.0)
        self.sum_up = sum_up
        self.cross_entropy = LabelSmoothingCrossEntropy(number_between("label_smoothing", label_smoothing, 0.0, 1.0))

    def forward(self, logits: Tensor, labels: Tensor, teacher_logits: Tensor | None = None) -> Tensor:
        """Mean loss (scalar) of `logits (B, K)` at `labels` (B,) or (B, K), and at `teacher_logits (B, K)`.

        Raises:
            ValueError: It learns from a teacher and there are no logits of one.
        """
        if self.kd is None or self.weight == 0:
            return self.cross_entropy(logits, labels)
        if self.weight == 1 and not self.sum_up:
            return self._on_teacher(self.kd, logits, teacher_logits)
        return self.combine(**self.parts(logits, labels, teacher_logits))

    def parts(self, logits: Tensor, labels: Tensor, teacher_logits: Tensor | None = None) -> dict[str, Tensor]:
        """The mean losses that `combine` weighs: ``label_loss`` and, with a teacher, ``kd_loss``."""
        parts = {"label_loss": self.cross_entropy(logits, labels)}
        return parts if self.kd is None else {**parts, "kd_loss": self._on_teacher(self.kd, logits, teacher_logits)}

    def combine(self, label_loss: Tensor, kd_loss: Tensor | None = None) -> Tensor:
        """The loss from its parts."""
        if kd_loss is None:
            return label_loss
        return (label_loss if self.sum_up else (1 - self.weight) * label_loss) + self.weight * kd_loss

    @staticmethod
    def _on_teacher(kd: KDLoss, logits: Tensor, teacher_logits: Tensor | None) -> Tensor:
        if teacher_logits is None:
            raise ValueError("this objective learns from a teacher too: teacher_logits are missing")
        return kd(logits, teacher_logits)

    def extra_repr(self) -> str:
        return f"weight={self.weight}, sum_up={self.sum_up}"


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
