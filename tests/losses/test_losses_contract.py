"""What holds for every KD loss, whatever it measures."""

import copy
import math

import pytest
import torch

from alphanet_plugin.losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KDLoss,
    KLDivergence,
    LabelSmoothingCrossEntropy,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)

FORMS = ("reference", "paper", "exact")
ALPHAS = (-2.0, -1.0, 0.0, 1e-8, 0.5, 1.0, 2.0)
PAIRS = ((-1.0, 1.0), (0.0, 1.0), (-2.0, 2.0))

LOSSES: list[KDLoss] = [
    *(
        kind(temperature=t)
        for kind in (KLDivergence, ReverseKLDivergence, SymmetricKLDivergence)
        for t in (0.5, 1.0, 4.0)
    ),
    *(AlphaDivergence(alpha, form=form) for form in FORMS for alpha in ALPHAS),
    *(AdaptiveAlphaDivergence(*pair, form=form) for form in FORMS for pair in PAIRS),
    *(AlphaDivergence(alpha, form=form, temperature=2.0) for form in FORMS for alpha in (-1.0, 0.0, 1.0)),
    *(AdaptiveAlphaDivergence(form=form, temperature=2.0) for form in FORMS),
]

every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
every_class = pytest.mark.parametrize(
    "loss",
    [
        KLDivergence(),
        ReverseKLDivergence(),
        SymmetricKLDivergence(),
        AlphaDivergence(-1.0),
        AdaptiveAlphaDivergence(),
    ],
    ids=repr,
)


def never_negative(loss):
    """Theory: every divergence but the reference form's clipped value, where alpha is neither 0 nor 1."""
    if isinstance(loss, AdaptiveAlphaDivergence) and loss.form == "reference":
        return loss.alpha_max == 1.0 or loss.alpha_min == 0.0
    return not (isinstance(loss, AlphaDivergence) and loss.form == "reference" and loss.alpha not in (0.0, 1.0))


def pair_of(shape=(6, 11), scale=2.0, dtype=torch.float64, seed=0):
    """Random student and teacher logits; the student wants a gradient."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (scale * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return student.to(dtype).requires_grad_(), teacher.to(dtype)


DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def gradient(loss, student, teacher):
    return torch.autograd.grad(loss(student, teacher), student)[0]


def naive_alpha(alpha, clip, form, log_p, log_q):
    """Per sample: what autograd turns into eq. 5, the weights being constants; alpha 0 and 1 as each form has them."""
    if abs(alpha) < 1e-3:
        edge = math.log(clip) if form == "reference" else math.inf
        weight = (log_p - log_q).clamp(max=edge)  # of the limit, up to a constant
    else:
        bound = math.inf if (form == "reference" and alpha == 1) else clip
        weight = (log_p - log_q).mul(alpha).exp().clamp(max=bound) / alpha
    return -((log_q.exp() * weight).detach() * log_q).sum(-1)


def naive(loss, student, teacher):
    """Per sample: a plain expression whose autograd is the loss's gradient at T = 1; its value too, for the KLs."""
    log_p, log_q = teacher.log_softmax(-1), student.log_softmax(-1)
    forward = (log_p.exp() * (log_p - log_q)).sum(-1)
    reverse = (log_q.exp() * (log_q - log_p)).sum(-1)
    if isinstance(loss, KLDivergence):
        return forward
    if isinstance(loss, ReverseKLDivergence):
        return reverse
    if isinstance(loss, SymmetricKLDivergence):
        return forward + reverse
    if isinstance(loss, AlphaDivergence):
        return naive_alpha(loss.alpha, loss.clip, loss.form, log_p, log_q)
    assert isinstance(loss, AdaptiveAlphaDivergence)
    kinds = [AlphaDivergence(a, loss.clip, loss.form) for a in (loss.alpha_min, loss.alpha_max)]
    low, high = (kind.per_sample(student.detach(), teacher) for kind in kinds)
    return torch.where(high > low, *(naive(kind, student, teacher) for kind in reversed(kinds)))


@every_loss
@pytest.mark.parametrize("scale", [0.3, 2.0, 6.0])
def test_the_gradient_is_float64_autograds_of_the_plain_expression(loss, scale):
    student, teacher = pair_of((32, 11), scale)
    t = loss.temperature
    plain = t**2 * naive(loss, student / t, teacher / t)
    (wanted,) = torch.autograd.grad(plain.mean(), student)
    rtol = 1e-6 if getattr(loss, "alpha", 1.0) == 1e-8 else 1e-9  # alpha = 1e-8 stands against its limit
    torch.testing.assert_close(gradient(loss, student, teacher), wanted, rtol=rtol, atol=1e-11)
    if isinstance(loss, (KLDivergence, ReverseKLDivergence, SymmetricKLDivergence)):
        torch.testing.assert_close(loss.per_sample(student, teacher), plain, rtol=1e-9, atol=1e-12)


@every_loss
def test_the_gradient_is_taken_once_not_twice(loss):
    student, teacher = pair_of()
    (slope,) = torch.autograd.grad(loss(student, teacher).square(), student, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_zero_with_zero_gradient_at_equality(loss, dtype):
    student, _ = pair_of(dtype=dtype)
    teacher = student.detach().clone()
    tolerance = 1e-7 if dtype == torch.float32 else 1e-15
    assert loss.per_sample(student, teacher).abs().max() <= tolerance
    assert gradient(loss, student, teacher).abs().max() <= tolerance


@every_loss
def test_positive_where_student_and_teacher_differ_and_theory_says_so(loss):
    if never_negative(loss):
        for scale in (0.5, 2.0, 8.0):
            assert (loss.per_sample(*pair_of((64, 11), scale)) > 0).all()


@every_loss
def test_a_step_against_the_gradient_brings_the_loss_down(loss):
    student, teacher = pair_of(scale=0.3)
    step = gradient(loss, student, teacher)
    assert step.norm() > 1e-3
    assert loss(student - 0.1 * step, teacher) < loss(student, teacher)


@every_loss
def test_invariant_under_a_permutation_of_the_classes(loss):
    student, teacher = pair_of()
    order = torch.randperm(student.shape[1], generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss.per_sample(student[:, order], teacher[:, order]), loss.per_sample(student, teacher))
    moved = gradient(loss, student, teacher)[:, order]
    torch.testing.assert_close(gradient(loss, student[:, order].detach().requires_grad_(), teacher[:, order]), moved)


@every_loss
def test_invariant_under_a_shift_of_the_logits(loss):
    student, teacher = pair_of()
    shifted = loss.per_sample(student + 30.0, teacher - torch.arange(6.0).unsqueeze(1))
    torch.testing.assert_close(shifted, loss.per_sample(student, teacher))
    torch.testing.assert_close(
        gradient(loss, student, teacher).sum(1), torch.zeros(6, dtype=torch.float64), atol=1e-12, rtol=0
    )


@every_loss
def test_forward_is_the_mean_of_per_sample_and_samples_do_not_mix(loss):
    student, teacher = pair_of()
    each = loss.per_sample(student, teacher)
    assert each.shape == (6,)
    torch.testing.assert_close(loss(student, teacher), each.mean())
    torch.testing.assert_close(loss.per_sample(student[2:3], teacher[2:3]), each[2:3])


@every_loss
def test_teacher_gets_no_gradient_and_inputs_stay_as_they_were(loss):
    student, teacher = pair_of()
    teacher.requires_grad_()
    before = student.detach().clone(), teacher.detach().clone()
    value = loss(student, teacher)
    value.backward(retain_graph=True)
    once = student.grad.clone()
    assert teacher.grad is None
    assert torch.equal(student, before[0])
    assert torch.equal(teacher, before[1])
    value.backward()
    torch.testing.assert_close(student.grad, 2 * once)


@every_loss
def test_computes_in_float32_at_least_and_returns_the_gradient_in_the_students_dtype(loss):
    for dtype in DTYPES:
        student, teacher = pair_of(dtype=dtype)
        wide = student.detach().double().requires_grad_()
        each = loss.per_sample(student, teacher)
        assert each.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        wanted = loss.per_sample(wide, teacher.double())
        torch.testing.assert_close(each.double(), wanted, rtol=1e-5, atol=1e-6)
        slope = gradient(loss, student, teacher)
        assert slope.dtype == dtype
        assert slope.shape == student.shape
        rtol = {torch.float16: 1e-3, torch.bfloat16: 1e-2}.get(dtype, 1e-4)
        torch.testing.assert_close(slope.double(), gradient(loss, wide, teacher.double()), rtol=rtol, atol=1e-6)


@every_loss
def test_mixed_dtypes_take_the_wider(loss):
    student, teacher = pair_of()
    low = student.detach().bfloat16().requires_grad_()
    assert loss.per_sample(low, teacher.float()).dtype == torch.float32
    wanted = loss.per_sample(low.double(), teacher)
    torch.testing.assert_close(loss.per_sample(low, teacher), wanted, rtol=1e-5, atol=1e-6)
    assert loss.per_sample(low, teacher).dtype == torch.float64
    assert gradient(loss, low, teacher).dtype == torch.bfloat16


@every_loss
def test_under_autocast_as_without(loss):
    student, teacher = pair_of(dtype=torch.bfloat16)
    outside, slope = loss(student, teacher), gradient(loss, student, teacher)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(student, teacher)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)
    assert torch.equal(torch.autograd.grad(inside, student)[0], slope)


def extreme_pairs(dtype):
    """Opposite corners, absent classes, one-hot teachers and students: the ends of the dtype's range."""
    top = torch.finfo(dtype).max * 0.9
    rows = torch.tensor(
        [
            [top, -top, 0.0, 1.0],
            [-top, top, top, -top],
            [0.0, 0.0, 0.0, 0.0],
            [200.0, 0.0, -200.0, -50.0],
            [top, 0.0, 0.0, 0.0],
            [0.0, -120.0, -90.0, -100.0],
            [-top, -top, -top, -top],
        ],
        dtype=torch.float64,
    ).to(dtype)
    one_hot_logits = torch.full((4, 4), -torch.inf, dtype=dtype).fill_diagonal_(0.0)
    teachers = torch.cat([rows, one_hot_logits])
    student, teacher = torch.cartesian_prod(torch.arange(len(rows)), torch.arange(len(teachers))).unbind(1)
    return rows[student].requires_grad_(), teachers[teacher]


@every_loss
def test_finite_for_logits_of_any_size_and_absent_classes(loss):
    for dtype in DTYPES:
        student, teacher = extreme_pairs(dtype)
        each = loss.per_sample(student, teacher)
        assert torch.isfinite(each).all()
        assert torch.isfinite(loss(student, teacher))
        assert torch.isfinite(torch.autograd.grad(each.sum(), student)[0]).all()
        if never_negative(loss):
            assert (each >= -1e-12).all()


@every_loss
def test_nan_is_not_hidden(loss):
    student, teacher = pair_of()
    with torch.no_grad():
        student[1, 3] = torch.nan
    each = loss.per_sample(student, teacher)
    assert torch.isnan(each).tolist() == [False, True, False, False, False, False]


@every_class
@pytest.mark.parametrize(
    ("student", "teacher", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), r"same shape .*\(2, 3\) and \(2, 4\)"),
        (torch.zeros(2, 3), torch.zeros(1, 3), "same shape"),
        (torch.zeros(3), torch.zeros(3), "student_logits must have two dimensions"),
        (torch.zeros(2, 3), torch.zeros(2, 3, 1), "teacher_logits must have two dimensions"),
        (
            torch.zeros(2, 3, dtype=torch.int64),
            torch.zeros(2, 3),
            "student_logits must be floating point.*int64",
        ),
        (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int32), "teacher_logits must be floating point"),
        (torch.zeros(0, 3), torch.zeros(0, 3), "at least one sample"),
        (torch.zeros(2, 0), torch.zeros(2, 0), "at least one sample and one class"),
    ],
)
def test_refuses_what_is_not_two_batches_of_logits(loss, student, teacher, words):
    with pytest.raises(ValueError, match=words):
        loss(student, teacher)


@every_loss
def test_one_class_and_strided_logits(loss):
    single = torch.randn(3, 1, generator=torch.Generator().manual_seed(0))
    assert loss(single, 2 * single) == 0
    student, teacher = pair_of()
    wide = torch.zeros(11, 12, dtype=torch.float64)
    wide[:, ::2] = student.detach().T
    strided = wide.T[::2].requires_grad_()
    torch.testing.assert_close(gradient(loss, strided, teacher), gradient(loss, student, teacher))


@every_class
def test_copies_compute_the_same_and_print_their_settings(loss):
    student, teacher = pair_of()
    assert torch.equal(copy.deepcopy(loss)(student, teacher), loss(student, teacher))
    assert not list(loss.parameters())
    assert "=" in repr(loss)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@every_class
def test_on_a_gpu_as_on_the_cpu(loss):
    student, teacher = pair_of(dtype=torch.float32)
    away = student.detach().cuda().requires_grad_()
    torch.testing.assert_close(loss(away, teacher.cuda()).cpu(), loss(student, teacher), rtol=1e-4, atol=1e-6)
    slope = gradient(loss, away, teacher.cuda()).cpu()
    torch.testing.assert_close(slope, gradient(loss, student, teacher), rtol=1e-4, atol=1e-6)


def test_the_base_is_abstract():
    with pytest.raises(TypeError):
        KDLoss()
    assert not isinstance(LabelSmoothingCrossEntropy(), KDLoss)
