"""(1 - b) CE + b T^2 KD, over every kind of KD."""

import pytest
import torch
import torch.nn.functional as F

from alphanet_plugin.losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    FixedTeacherObjective,
    KLDivergence,
    LabelSmoothingCrossEntropy,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)

LABELS = torch.tensor([0, 3, 6, 3])

every_kd = pytest.mark.parametrize(
    "kd",
    [
        KLDivergence(4.0),
        ReverseKLDivergence(),
        SymmetricKLDivergence(2.0),
        AlphaDivergence(-1.0),
        AdaptiveAlphaDivergence(temperature=2.0),
    ],
    ids=repr,
)


def logits_pair(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(4, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    return student.to(dtype).requires_grad_(), teacher.to(dtype)


def test_is_hintons_objective_by_torchs_own_losses():
    student, teacher = logits_pair()
    objective = FixedTeacherObjective(KLDivergence(4.0), weight=0.7, label_smoothing=0.1)
    soft = F.kl_div((student / 4).log_softmax(-1), (teacher / 4).softmax(-1), reduction="batchmean")
    wanted = 0.3 * F.cross_entropy(student, LABELS, label_smoothing=0.1) + 0.7 * 16 * soft
    ours = objective(student, teacher, LABELS)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (ours, wanted)))


def test_nine_tenths_of_the_teacher_and_no_smoothing_unless_told():
    objective = FixedTeacherObjective(KLDivergence())
    assert (objective.weight, objective.cross_entropy.smoothing) == (0.9, 0.0)
    assert "weight=0.9" in repr(objective)
    assert not list(objective.parameters())


@every_kd
def test_the_ends_are_labels_alone_and_teacher_alone(kd):
    student, teacher = logits_pair()
    on_labels, on_teacher = (FixedTeacherObjective(kd, weight)(student, teacher, LABELS) for weight in (0.0, 1.0))
    torch.testing.assert_close(on_labels, LabelSmoothingCrossEntropy(0.0)(student, LABELS))
    torch.testing.assert_close(on_teacher, kd(student, teacher))


@every_kd
def test_a_permutation_of_the_classes_and_a_shift_of_the_logits_change_nothing(kd):
    student, teacher = logits_pair()
    objective = FixedTeacherObjective(kd)
    value = objective(student, teacher, LABELS)
    order = torch.tensor([3, 0, 6, 2, 1, 5, 4])
    torch.testing.assert_close(objective(student[:, order], teacher[:, order], order.argsort()[LABELS]), value)
    torch.testing.assert_close(objective(student + 30.0, teacher - torch.arange(4.0).unsqueeze(1), LABELS), value)
    (slope,) = torch.autograd.grad(value, student)
    torch.testing.assert_close(slope.sum(1), torch.zeros(4, dtype=torch.float64), atol=1e-12, rtol=0)


@every_kd
def test_gradients_are_for_the_student_alone(kd):
    student, teacher = logits_pair()
    teacher.requires_grad_()
    FixedTeacherObjective(kd)(student, teacher, LABELS).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@every_kd
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_computes_in_float32(kd, dtype):
    student, teacher = logits_pair(dtype)
    wide = student.detach().double().requires_grad_()
    objective = FixedTeacherObjective(kd)
    loss, wanted = objective(student, teacher, LABELS), objective(wide, teacher.double(), LABELS)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-5, atol=1e-6)
    slope, exact = torch.autograd.grad(loss, student)[0], torch.autograd.grad(wanted, wide)[0]
    assert slope.dtype == dtype
    torch.testing.assert_close(slope.double(), exact, rtol=2e-2 if dtype == torch.bfloat16 else 2e-3, atol=2e-3)


@every_kd
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_finite_for_huge_logits(kd, dtype):
    top = torch.finfo(dtype).max
    student = torch.tensor([[top, -top, 0.0], [-top, -top, top]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-top, top, 0.0], [0.0, top, -top]], dtype=dtype)
    loss = FixedTeacherObjective(kd)(student, teacher, torch.tensor([1, 0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"weight": 1.1}, r"weight must be a number from 0 to 1, got 1\.1"),
        ({"weight": None}, "weight must be"),
        ({"label_smoothing": -0.1}, r"label_smoothing must be a number from 0 to 1, got -0\.1"),
    ],
)
def test_refuses_settings_that_make_no_sense(arguments, words):
    with pytest.raises(ValueError, match=words):
        FixedTeacherObjective(KLDivergence(), **arguments)


@pytest.mark.parametrize("kd", [None, "kl", KLDivergence, LabelSmoothingCrossEntropy()])
def test_refuses_what_is_no_kd_loss(kd):
    with pytest.raises(TypeError, match=r"kd must be a KDLoss, such as KLDivergence\(\), got "):
        FixedTeacherObjective(kd)


def test_labels_are_checked():
    student, teacher = logits_pair()
    with pytest.raises(ValueError, match="labels must be integers"):
        FixedTeacherObjective(KLDivergence())(student, teacher, LABELS.float())
