"""Learning from labels and from a trained, fixed teacher at once."""

from __future__ import annotations

from torch import Tensor, nn

from .base import KDLoss
from .checks import number_between
from .cross_entropy import LabelSmoothingCrossEntropy


class FixedTeacherObjective(nn.Module):
    """(1 - b) CE + b T^2 KD: Hinton et al. 2015, with any of our divergences as KD, which bring their T^2 along.

    Args:
        kd: The divergence from the teacher.
        weight: b, from 0 (labels alone) to 1 (teacher alone).
        label_smoothing: Of the cross entropy.
    """

    def __init__(self, kd: KDLoss, weight: float = 0.9, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not isinstance(kd, KDLoss):
            raise TypeError(
                f"kd must be a KDLoss, such as KLDivergence(), got {kd!r}; without one, train on "
                "LabelSmoothingCrossEntropy alone"
            )
        self.kd = kd
        self.weight = number_between("weight", weight, 0.0, 1.0)
        self.cross_entropy = LabelSmoothingCrossEntropy(number_between("label_smoothing", label_smoothing, 0.0, 1.0))

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss (scalar) of `student_logits (B, K)` at `teacher_logits (B, K)` and `labels`.

        Labels are integers (B,), or probabilities (B, K) as mixup makes them.
        """
        return self.combine(*self.parts(student_logits, teacher_logits, labels))

    def parts(self, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """CE and T^2 KD, the two means that `combine` weighs."""
        return self.cross_entropy(student_logits, labels), self.kd(student_logits, teacher_logits)

    def combine(self, on_labels: Tensor, on_teacher: Tensor) -> Tensor:
        """(1 - b) CE + b T^2 KD of the two parts."""
        return (1 - self.weight) * on_labels + self.weight * on_teacher

    def extra_repr(self) -> str:
        return f"weight={self.weight}"
