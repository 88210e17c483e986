"""What a pass learns: (1 - b) CE + b KD, or CE + b KD."""

import pytest
import torch
from torch.nn import functional as F

from alphanet_plugin.losses import KLDivergence, Objective

LOGITS, TEACHER = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 6, 3, 3, 1])
CE = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
KL = F.kl_div(LOGITS.log_softmax(1), TEACHER.softmax(1), reduction="batchmean")


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective(), CE),
        (Objective(label_smoothing=0.0), F.cross_entropy(LOGITS, LABELS)),
        (Objective(KLDivergence()), KL),
        (Objective(KLDivergence(), weight=0.0), CE),
        (Objective(KLDivergence(), weight=0.3), 0.7 * CE + 0.3 * KL),
        (Objective(KLDivergence(), sum_up=True), CE + KL),
        (Objective(KLDivergence(), weight=0.5, sum_up=True), CE + 0.5 * KL),
    ],
)
def test_by_hand(objective, expected):
    torch.testing.assert_close(objective(LOGITS, LABELS, TEACHER), expected)


def test_labels_alone_need_no_teacher():
    torch.testing.assert_close(Objective()(LOGITS, LABELS), CE)
    with pytest.raises(ValueError, match="teacher_logits are missing"):
        Objective(KLDivergence())(LOGITS, LABELS)


def test_what_it_refuses():
    with pytest.raises(TypeError, match="kd must be a KDLoss"):
        Objective(kd="kl")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weight"):
        Objective(KLDivergence(), weight=1.5)
