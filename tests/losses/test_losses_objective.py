"""What a pass learns: (1 - b) CE + b KD, or CE + b KD, over every kind of KD."""

import pytest
import torch
import torch.nn.functional as F

from alphanet_plugin.losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KLDivergence,
    LabelSmoothingCrossEntropy,
    Objective,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)

LOGITS, TEACHER = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
OF_FIVE = torch.tensor([0, 6, 3, 3, 1])
CE = F.cross_entropy(LOGITS, OF_FIVE, label_smoothing=0.1)
KL = F.kl_div(LOGITS.log_softmax(1), TEACHER.softmax(1), reduction="batchmean")
LABELS = torch.tensor([0, 3, 6, 3])


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective(), CE),
        (Objective(label_smoothing=0.0), F.cross_entropy(LOGITS, OF_FIVE)),
        (Objective(KLDivergence()), KL),
        (Objective(KLDivergence(), weight=0.0), CE),
        (Objective(KLDivergence(), weight=0.3), 0.7 * CE + 0.3 * KL),
        (Objective(KLDivergence(), sum_up=True), CE + KL),
        (Objective(KLDivergence(), weight=0.5, sum_up=True), CE + 0.5 * KL),
    ],
)
def test_by_hand(objective, expected):
    torch.testing.assert_close(objective(LOGITS, OF_FIVE, TEACHER), expected)


def test_labels_alone_need_no_teacher():
    torch.testing.assert_close(Objective()(LOGITS, OF_FIVE), CE)
    with pytest.raises(ValueError, match="teacher_logits are missing"):
        Objective(KLDivergence())(LOGITS, OF_FIVE)


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
    objective = Objective(KLDivergence(4.0), weight=0.7, label_smoothing=0.1)
    soft = F.kl_div((student / 4).log_softmax(-1), (teacher / 4).softmax(-1), reduction="batchmean")
    wanted = 0.3 * F.cross_entropy(student, LABELS, label_smoothing=0.1) + 0.7 * 16 * soft
    ours = objective(student, LABELS, teacher)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (ours, wanted)))


def test_says_what_it_weighs():
    objective = Objective(KLDivergence(), weight=0.9)
    assert "weight=0.9" in repr(objective)
    assert not list(objective.parameters())
    student, teacher = logits_pair()
    parts = objective.parts(student, LABELS, teacher)
    assert list(parts) == ["label_loss", "kd_loss"]
    torch.testing.assert_close(objective.combine(**parts), objective(student, LABELS, teacher))
    assert list(Objective().parts(student, LABELS)) == ["label_loss"]


@every_kd
def test_the_ends_are_labels_alone_and_teacher_alone(kd):
    student, teacher = logits_pair()
    on_labels, on_teacher = (
        Objective(kd, weight, label_smoothing=0.0)(student, LABELS, teacher) for weight in (0.0, 1.0)
    )
    torch.testing.assert_close(on_labels, LabelSmoothingCrossEntropy(0.0)(student, LABELS))
    torch.testing.assert_close(on_teacher, kd(student, teacher))


@every_kd
def test_a_permutation_of_the_classes_and_a_shift_of_the_logits_change_nothing(kd):
    student, teacher = logits_pair()
    objective = Objective(kd, weight=0.9)
    value = objective(student, LABELS, teacher)
    order = torch.tensor([3, 0, 6, 2, 1, 5, 4])
    torch.testing.assert_close(objective(student[:, order], order.argsort()[LABELS], teacher[:, order]), value)
    torch.testing.assert_close(objective(student + 30.0, LABELS, teacher - torch.arange(4.0).unsqueeze(1)), value)
    (slope,) = torch.autograd.grad(value, student)
    torch.testing.assert_close(slope.sum(1), torch.zeros(4, dtype=torch.float64), atol=1e-12, rtol=0)


@every_kd
def test_gradients_are_for_the_student_alone(kd):
    student, teacher = logits_pair()
    teacher.requires_grad_()
    Objective(kd, 0.9)(student, LABELS, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@every_kd
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_computes_in_float32(kd, dtype):
    student, teacher = logits_pair(dtype)
    wide = student.detach().double().requires_grad_()
    objective = Objective(kd, weight=0.9)
    loss, wanted = objective(student, LABELS, teacher), objective(wide, LABELS, teacher.double())
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
    loss = Objective(kd, 0.9)(student, torch.tensor([1, 0]), teacher)
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
        Objective(KLDivergence(), **arguments)


@pytest.mark.parametrize("kd", ["kl", KLDivergence, LabelSmoothingCrossEntropy()])
def test_refuses_what_is_no_kd_loss(kd):
    with pytest.raises(TypeError, match=r"kd must be a KDLoss, such as KLDivergence\(\), or None .* got "):
        Objective(kd)


def test_labels_are_checked():
    student, teacher = logits_pair()
    with pytest.raises(ValueError, match="labels must be integers"):
        Objective(KLDivergence(), 0.9)(student, LABELS.float(), teacher)
