"""KL with temperature, and the log-probabilities every loss stands on."""

import math

import pytest
import torch
import torch.nn.functional as F

from alphanet_plugin.losses import KLDivergence, ReverseKLDivergence, SymmetricKLDivergence, log_probabilities

KINDS = (KLDivergence, ReverseKLDivergence, SymmetricKLDivergence)


def logits_pair(scale=3.0):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (scale * torch.randn(5, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    return student.requires_grad_(), teacher


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_is_torchs_with_the_square_of_the_temperature(temperature):
    student, teacher = logits_pair()
    wanted = temperature**2 * F.kl_div(
        (student / temperature).log_softmax(-1), (teacher / temperature).softmax(-1), reduction="batchmean"
    )
    loss = KLDivergence(temperature)(student, teacher)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(loss, student)[0], torch.autograd.grad(wanted, student)[0], rtol=1e-9, atol=1e-12
    )


def test_the_gradient_reaches_a_student_beyond_the_floor():
    """q - p, even where log q is floored: a student at the end of float32 is still pulled back."""
    student = torch.tensor([[3e38, -3e38]], requires_grad=True)
    KLDivergence()(student, torch.tensor([[-50.0, 50.0]])).backward()
    assert student.grad.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_reverse_kl_is_kl_with_the_networks_changed_over_and_symmetric_kl_is_both(temperature):
    student, teacher = logits_pair()
    forward, reverse, both = (kind(temperature).per_sample(student, teacher) for kind in KINDS)
    torch.testing.assert_close(reverse, KLDivergence(temperature).per_sample(teacher, student))
    torch.testing.assert_close(both, forward + reverse)
    torch.testing.assert_close(both, SymmetricKLDivergence(temperature).per_sample(teacher, student))
    wanted = [torch.autograd.grad(each.sum(), student, retain_graph=True)[0] for each in (forward, reverse)]
    torch.testing.assert_close(torch.autograd.grad(both.sum(), student)[0], sum(wanted))


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(kind):
    student, teacher = logits_pair(1.5)
    assert torch.autograd.gradcheck(lambda s: kind(2.0).per_sample(s, teacher), (student,))


def test_a_student_that_believes_in_what_the_teacher_rules_out():
    """KL forgives it, reverse KL does not: the value saturates, and the gradient pulls the right way."""
    student, teacher = torch.zeros(1, 2, requires_grad=True), torch.tensor([[0.0, -torch.inf]])
    assert KLDivergence()(student, teacher).item() == pytest.approx(math.log(2))
    loss = ReverseKLDivergence()(student, teacher)
    loss.backward()
    assert loss.item() == pytest.approx(5e29)
    assert student.grad[0, 1] == -student.grad[0, 0] > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1e-6, 1e6])
def test_the_square_of_the_temperature_does_not_overflow(kind, temperature):
    student = torch.tensor([[3e38, -3e38]], requires_grad=True)
    loss = kind(temperature)(student, torch.tensor([[-3e38, 3e38]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_never_negative_and_keeps_its_gradient(kind):
    """Close to equality rounding alone would make about half the values negative."""
    logits = torch.randn(256, 50, generator=torch.Generator().manual_seed(0))
    student = (logits + 1e-6 * logits.flip(0)).requires_grad_()
    each = kind().per_sample(student, logits)
    assert (each >= 0).all()
    assert (torch.autograd.grad(each.sum(), student)[0].abs().amax(-1) > 0).all()


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "1", None, True])
@pytest.mark.parametrize("kind", KINDS)
def test_temperature_must_be_a_positive_number(kind, temperature):
    with pytest.raises(ValueError, match=f"temperature must be a number from 1e-06 to 1e\\+06, got {temperature!r}"):
        kind(temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_log_probabilities_are_log_softmax_with_its_gradient(temperature):
    logits, other = logits_pair()
    ours, torchs = log_probabilities(logits, temperature), (logits / temperature).log_softmax(-1)
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(
        *(torch.autograd.grad((out * other).sum(), logits)[0] for out in (ours, torchs)),
        rtol=1e-9,
        atol=1e-12,
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("temperature", [1e-6, 1.0, 1e6])
def test_log_probabilities_are_finite_for_any_finite_logits(dtype, temperature):
    top = torch.finfo(dtype).max
    logits = torch.tensor([[top, -top, 0.0], [-top, -top, -top], [top, top, -top]], dtype=dtype, requires_grad=True)
    log_p = log_probabilities(logits, temperature)
    assert log_p.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(log_p).all()
    assert log_p.min() >= -1.001e30
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(3, dtype=log_p.dtype))
    (slope,) = torch.autograd.grad(log_p[:, 0].sum(), logits)
    assert slope.dtype == dtype
    assert torch.isfinite(slope).all() or (dtype == torch.float16 and temperature < 1)  # 1 / T > 65504 is what it is


def test_a_class_that_is_ruled_out_has_a_finite_log_probability():
    log_p = log_probabilities(torch.tensor([[0.0, -torch.inf]]))
    assert log_p[0, 0] == 0
    assert -1.001e30 <= log_p[0, 1] < -9e29


def test_nan_logits_stay_nan():
    assert torch.isnan(log_probabilities(torch.tensor([[0.0, torch.nan]]))).all()
