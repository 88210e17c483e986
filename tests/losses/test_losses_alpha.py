"""The alpha-divergence against its equations, written out naively in float64."""

import math

import pytest
import torch

from alphanet_plugin.losses import AdaptiveAlphaDivergence, AlphaDivergence, KLDivergence

FORMS = ("reference", "paper", "exact")
CLIPS = (0.7, 1.0, 1.01, 1.5, 5.0, 1e4, math.inf)


def logits_pair(batch=8, classes=13, scale=2.0, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (scale * torch.randn(batch, classes, generator=generator, dtype=torch.float64) for _ in range(2))
    return student.to(dtype).requires_grad_(), teacher.to(dtype)


def gradient(loss, student, teacher):
    """Gradient of the sum over samples, so that each row is one sample's own."""
    return torch.autograd.grad(loss.per_sample(student, teacher).sum(), student)[0]


def ratio(student, teacher):
    return teacher.softmax(-1) / student.softmax(-1)


def naive_clipped_gradient(student, teacher, alpha, clip):
    """Eq. 5: -1/alpha E_q[min((p/q)^alpha, clip) grad log q], the weights held constant."""
    p, log_q = teacher.softmax(-1), student.log_softmax(-1)
    q = log_q.detach().exp()
    weight = q * ((p / q) ** alpha).clamp(max=clip)
    return torch.autograd.grad(-(weight * log_q).sum() / alpha, student)[0]


def naive_f(t, alpha, clip):
    """f of Proposition 3.1 by cases: t^alpha / (alpha (alpha - 1)) where t^alpha <= clip, tangent line beyond."""
    if alpha == 1:
        edge = torch.tensor(clip, dtype=t.dtype)
        f, slope = (lambda x: x * x.log() - x), (lambda x: x.log())
    elif alpha == 0:
        return -t.log()
    else:
        edge = torch.tensor(clip ** (1 / alpha), dtype=t.dtype)
        f, slope = (
            (lambda x: x**alpha / (alpha * (alpha - 1))),
            (lambda x: x ** (alpha - 1) / (alpha - 1)),
        )
    tangent = f(edge) + slope(edge) * (t - edge)
    return torch.where(t**alpha <= clip, f(t), tangent)


def naive_f_divergence(student, teacher, alpha, clip):
    """Eq. 6: E_q[f(p/q) - f(1)]."""
    q = student.softmax(-1)
    t = teacher.softmax(-1) / q
    return (q * (naive_f(t, alpha, clip) - naive_f(torch.ones_like(t), alpha, clip))).sum(-1)


def naive_eq_3(student, teacher, alpha, clip=math.inf):
    q = student.softmax(-1)
    t_alpha = (ratio(student, teacher) ** alpha).clamp(max=clip)
    return (q * (t_alpha - 1)).sum(-1) / (alpha * (alpha - 1))


def kl(from_logits, to_logits):
    log_p, log_q = from_logits.log_softmax(-1), to_logits.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


# ---- temperature ----


@pytest.mark.parametrize("temperature", [0.5, 2.0, 7.0])
@pytest.mark.parametrize("a", [-1.0, 0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("form", FORMS)
def test_temperature_divides_the_logits_and_its_square_multiplies_the_value(a, form, temperature):
    student, teacher = logits_pair()
    loss = AlphaDivergence(a, form=form, temperature=temperature)
    cold = AlphaDivergence(a, form=form)
    wanted = temperature**2 * cold.per_sample(student / temperature, teacher / temperature)
    torch.testing.assert_close(loss.per_sample(student, teacher), wanted)
    torch.testing.assert_close(gradient(loss, student, teacher), torch.autograd.grad(wanted.sum(), student)[0])


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
def test_alpha_of_one_is_kl_at_any_temperature(temperature):
    student, teacher = logits_pair()
    alpha_1, kl_t = AlphaDivergence(1.0, temperature=temperature), KLDivergence(temperature)
    torch.testing.assert_close(alpha_1(student, teacher), kl_t(student, teacher))
    torch.testing.assert_close(gradient(alpha_1, student, teacher), gradient(kl_t, student, teacher))


def test_the_adaptive_choice_is_made_at_the_temperature():
    student, teacher = logits_pair(batch=64)
    loss = AdaptiveAlphaDivergence(temperature=3.0)
    low, high = loss.divergences(student, teacher)
    torch.testing.assert_close(low, AlphaDivergence(-1.0, temperature=3.0).per_sample(student, teacher))
    torch.testing.assert_close(high, AlphaDivergence(1.0, temperature=3.0).per_sample(student, teacher))
    torch.testing.assert_close(loss.per_sample(student, teacher), torch.maximum(low, high))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("temperature", [1e-6, 1e6])
def test_the_square_of_the_temperature_does_not_overflow(form, temperature):
    student = torch.tensor([[3e38, -3e38], [0.0, 0.0], [1.0, -1.0]], requires_grad=True)
    teacher = torch.tensor([[-3e38, 3e38], [3e38, 0.0], [-3e38, 0.0]])
    for a in (-2.0, 0.0, 1.0, 3.0):
        loss = AlphaDivergence(a, form=form, temperature=temperature)
        assert torch.isfinite(loss(student, teacher))
        assert torch.isfinite(gradient(loss, student, teacher)).all()


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), "1", None, True])
@pytest.mark.parametrize("build", [AlphaDivergence, AdaptiveAlphaDivergence])
def test_temperature_must_be_a_positive_number(build, temperature):
    with pytest.raises(ValueError, match=f"temperature must be a number from 1e-06 to 1e\\+06, got {temperature!r}"):
        build(-1.0, temperature=temperature)


# ---- gradients ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [-3.0, -2.0, -1.0, -0.1, 0.1, 0.5, 0.9, 1.0, 1.1, 2.0, 5.0])
def test_gradient_is_eq_5(form, a):
    student, teacher = logits_pair()
    for clip in CLIPS:
        clipped = ratio(student, teacher) ** a > clip
        if clip <= 5.0 and abs(a) >= 0.5:
            assert clipped.any()
            assert not clipped.all()
        effective = math.inf if (form == "reference" and a == 1.0) else clip
        wanted = naive_clipped_gradient(student, teacher, a, effective)
        slope = gradient(AlphaDivergence(a, clip, form), student, teacher)
        torch.testing.assert_close(slope, wanted, rtol=1e-9, atol=1e-11)


def test_paper_and_reference_differ_at_alpha_one():
    student, teacher = logits_pair()
    paper, reference = (gradient(AlphaDivergence(1.0, 5.0, form), student, teacher) for form in ("paper", "reference"))
    assert (paper - reference).abs().max() > 0.01
    wanted = torch.autograd.grad(KLDivergence().per_sample(student, teacher).sum(), student)[0]
    torch.testing.assert_close(reference, wanted)


@pytest.mark.parametrize("a", [-2.0, -1.0, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 3.0])
def test_exact_form_is_the_f_divergence_of_proposition_3_1(a):
    student, teacher = logits_pair(scale=1.5)
    for clip in CLIPS[:-1]:
        loss = AlphaDivergence(a, clip, "exact")
        wanted = naive_f_divergence(student, teacher, a, clip)
        torch.testing.assert_close(loss.per_sample(student, teacher), wanted, rtol=1e-9, atol=1e-11)
        slope = torch.autograd.grad(wanted.sum(), student)[0]
        torch.testing.assert_close(gradient(loss, student, teacher), slope, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [-2.0, 0.5, 2.0])
def test_without_clipping_the_gradient_is_autograds_of_eq_3(form, a):
    student, teacher = logits_pair(scale=1.0)
    wanted = torch.autograd.grad(naive_eq_3(student, teacher, a).sum(), student)[0]
    torch.testing.assert_close(gradient(AlphaDivergence(a, math.inf, form), student, teacher), wanted)


def test_gradcheck_of_the_exact_adaptive_form():
    student, teacher = logits_pair(batch=3, classes=5, scale=1.5)
    loss = AdaptiveAlphaDivergence(form="exact")
    assert torch.autograd.gradcheck(lambda s: loss.per_sample(s, teacher), (student,))


# ---- values ----


@pytest.mark.parametrize("a", [-2.0, -1.0, 0.5, 2.0])
def test_values_of_the_paper_and_reference_forms_are_eq_3(a):
    student, teacher = logits_pair()
    paper = AlphaDivergence(a, 5.0, "paper").per_sample(student, teacher)
    torch.testing.assert_close(paper, naive_eq_3(student, teacher, a))
    reference = AlphaDivergence(a, 5.0).per_sample(student, teacher)
    torch.testing.assert_close(reference, naive_eq_3(student, teacher, a, clip=5.0))
    assert not torch.allclose(paper, reference)


def test_a_clipped_reference_value_can_be_negative():
    student, teacher = logits_pair(scale=4.0)
    assert (AlphaDivergence(2.0, 5.0).per_sample(student, teacher) < 0).any()


@pytest.mark.parametrize("form", FORMS)
def test_alpha_one_is_kl_in_value(form):
    student, teacher = logits_pair()
    clip = math.inf if form == "exact" else 5.0
    torch.testing.assert_close(AlphaDivergence(1.0, clip, form).per_sample(student, teacher), kl(teacher, student))


@pytest.mark.parametrize("form", ["paper", "exact"])
@pytest.mark.parametrize("pair", [(0.0, 0.0), (-0.0, 0.0)])
def test_alpha_min_zero_is_reverse_kl(form, pair):
    student, teacher = logits_pair(scale=3.0)
    loss = AdaptiveAlphaDivergence(*pair, form=form)
    wanted = kl(student, teacher)
    torch.testing.assert_close(loss.per_sample(student, teacher), wanted)
    torch.testing.assert_close(gradient(loss, student, teacher), torch.autograd.grad(wanted.sum(), student)[0])


def test_alpha_min_zero_in_the_reference_form_clips_the_ratio_in_the_logarithm():
    student, teacher = logits_pair(scale=3.0)
    assert (ratio(student, teacher) > 5).any()
    q, log_t = student.softmax(-1), ratio(student, teacher).clamp(max=5.0).log()
    loss = AdaptiveAlphaDivergence(0.0, 1.0)
    reverse, forward = loss.divergences(student, teacher)
    torch.testing.assert_close(reverse, -(q * log_t).sum(-1))
    torch.testing.assert_close(forward, kl(teacher, student))
    q = q.detach()
    surrogate = -(q * log_t.detach() * student.log_softmax(-1)).sum()
    torch.testing.assert_close(
        gradient(AlphaDivergence(0.0), student, teacher), torch.autograd.grad(surrogate, student)[0]
    )


def assert_same(one, other, pair, rtol):
    torch.testing.assert_close(one.per_sample(*pair), other.per_sample(*pair), rtol=rtol, atol=1e-6)
    torch.testing.assert_close(gradient(one, *pair), gradient(other, *pair), rtol=rtol, atol=max(1e-6, 0.01 * rtol))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [1e-8, -1e-8, 1e-300, 1e-29, 9e-4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_alpha_towards_zero_is_continuous(form, a, dtype):
    rtol = 0.02 if a == 9e-4 and form != "reference" else 1e-5
    tiny, zero = AlphaDivergence(a, 5.0, form), AlphaDivergence(0.0, 5.0, form)
    assert_same(tiny, zero, logits_pair(dtype=dtype), rtol)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [1 - 1e-6, 1 + 1e-6, 1 + 1e-9, 1 + 3e-16, 1 - 9e-4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_alpha_towards_one_is_continuous(form, a, dtype):
    rtol = 0.02 if a == 1 - 9e-4 and form != "reference" else 1e-4
    near, one = AlphaDivergence(a, 5.0, form), AlphaDivergence(1.0, 5.0, form)
    assert_same(near, one, logits_pair(dtype=dtype), rtol)


def test_the_reference_forms_limits_end_at_a_thousandth():
    pair = logits_pair()
    for limit, beyond in ((0.0, 0.0011), (0.0, -0.0011), (1.0, 1.0011)):
        difference = AlphaDivergence(limit).per_sample(*pair) - AlphaDivergence(beyond).per_sample(*pair)
        assert difference.abs().max() > 0.01


@pytest.mark.parametrize("a", [-1e6, -3.0, -2.0, -1.0, -1e-8, 0.0, 1e-8, 0.3, 0.5, 1.0, 1.0001, 2.0, 7.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_exact_and_paper_values_are_never_negative(a, dtype):
    losses = [AlphaDivergence(a, 5.0, "paper"), *(AlphaDivergence(a, clip, "exact") for clip in CLIPS)]
    for scale in (1e-7, 1e-5, 1e-3, 1.0, 30.0):
        student, teacher = logits_pair(64, 13, scale, dtype)
        flat = torch.linspace(-1, 1, 13, dtype=dtype).repeat(64, 1)
        for loss in losses:
            for pair in ((student, teacher), (flat + student, flat), (30 * flat + student, 30 * flat)):
                each = loss.per_sample(*pair)
                assert (each >= 0).all()
                assert torch.isfinite(each).all()


@pytest.mark.parametrize("form", ["paper", "exact"])
@pytest.mark.parametrize("a", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_nearly_equal_distributions_keep_their_quadratic_value(form, a):
    """Close to equality every D_alpha is sum_i q_i l_i^2 / 2, float32 included."""
    student, teacher = logits_pair(32, 100, 1.0, torch.float64)
    student = (teacher + 0.01 * student.detach()).float()
    teacher = teacher.float()
    log_t = teacher.double().log_softmax(-1) - student.double().log_softmax(-1)
    wanted = (student.double().softmax(-1) * log_t**2).sum(-1) / 2
    value = AlphaDivergence(a, 5.0, form).per_sample(student, teacher)
    torch.testing.assert_close(value.double(), wanted, rtol=0.05, atol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [-2.0, -1.0, -0.01, 0.0, 0.01, 0.5, 1.0, 2.0])
def test_float32_agrees_with_float64_for_peaked_distributions(form, a):
    student, teacher = logits_pair(64, 50, 20.0)
    loss = AlphaDivergence(a, 5.0, form)
    student32, teacher32 = student.detach().float().requires_grad_(), teacher.float()
    student64, teacher64 = student32.detach().double().requires_grad_(), teacher32.double()
    value32, value64 = loss.per_sample(student32, teacher32), loss.per_sample(student64, teacher64)
    ordinary = value64 < 1e20  # an unclipped "paper" value may lie beyond float32
    torch.testing.assert_close(value32[ordinary].double(), value64[ordinary], rtol=1e-4, atol=1e-4)
    assert ordinary.any()
    slope32, slope64 = gradient(loss, student32, teacher32), gradient(loss, student64, teacher64)
    torch.testing.assert_close(slope32.double(), slope64, rtol=1e-4, atol=1e-4 * slope64.abs().max().item())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [0.95, 1.0, 1.5])
def test_unclipped_gradients_survive_a_student_that_underflows(form, a):
    """q = e^-110 is zero in float32, yet q (p/q)^alpha is not."""
    student, teacher = torch.tensor([[0.0, -110.0]]), torch.tensor([[-3.0, 0.0]])
    loss = AlphaDivergence(a, math.inf, form)
    slope32 = gradient(loss, student.requires_grad_(), teacher)
    slope64 = gradient(loss, student.detach().double().requires_grad_(), teacher.double())
    torch.testing.assert_close(slope32.double(), slope64, rtol=1e-4, atol=0)
    assert slope32.abs().min() > 1e-4


@pytest.mark.parametrize("clip", [5.0, math.inf])
def test_the_reference_gradient_at_alpha_one_is_q_minus_p_for_logits_far_apart(clip):
    """Through l = log p - log q a float32 p would be wrong in its second digit here."""
    student = torch.tensor([[0.0, 0.1, 1e6]], requires_grad=True)
    teacher = torch.tensor([[0.7, 0.0, -5.0]])
    slope = gradient(AlphaDivergence(1.0, clip), student, teacher)
    torch.testing.assert_close(slope, student.detach().softmax(-1) - teacher.softmax(-1))


def test_a_float64_teacher_lifts_a_half_precision_student():
    student, teacher = logits_pair()
    low = student.detach().half()
    loss = AdaptiveAlphaDivergence()
    wanted = loss.per_sample(low.double(), teacher)
    torch.testing.assert_close(loss.per_sample(low, teacher), wanted, rtol=1e-14, atol=0)
    wanted = loss.per_sample(teacher, low.double())
    torch.testing.assert_close(loss.per_sample(teacher, low), wanted, rtol=1e-14, atol=0)


def test_paper_values_saturate():
    student, teacher = torch.tensor([[0.0, 3e38], [0.0, 90.0]]), torch.tensor([[3e38, 0.0], [90.0, 0.0]])
    each = AlphaDivergence(-2.0, 5.0, "paper").per_sample(student, teacher)
    assert each.tolist() == pytest.approx([1e30, 1e30])


def test_the_exact_form_is_finite_without_saturating():
    student, teacher = torch.tensor([[0.0, 3e38]]), torch.tensor([[3e38, 0.0]])
    for a in (-2.0, -1.0, 0.5, 1.0, 2.0):
        assert AlphaDivergence(a, 5.0, "exact").per_sample(student, teacher).item() < 20


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("a", [-1e6, -2.0, -1e-10, 0.0, 1e-10, 0.5, 1.0, 2.0, 1e6])
def test_no_clip_keeps_float32_finite_all_the_same(form, a):
    student, teacher = torch.tensor([[0.0, 3e38], [0.0, 90.0]]), torch.tensor([[3e38, 0.0], [90.0, 0.0]])
    loss = AlphaDivergence(a, math.inf, form)
    assert torch.isfinite(loss.per_sample(student, teacher)).all()
    assert torch.isfinite(gradient(loss, student.requires_grad_(), teacher)).all()


# ---- the adaptive choice ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pair", [(-1.0, 1.0), (0.0, 1.0), (-1.0, 2.0)])
def test_each_sample_takes_value_and_gradient_of_its_larger_divergence(form, pair):
    """Sharp against flat, flat against sharp, and two flat ones close enough that nothing is clipped."""
    sharp, flat = logits_pair(40, scale=3.0, seed=1)[1], logits_pair(40, scale=0.3, seed=2)[1]
    student = torch.cat([sharp, flat, flat]).requires_grad_()
    teacher = torch.cat([flat, sharp, flat.flip(0)])
    loss = AdaptiveAlphaDivergence(*pair, form=form)
    low, high = (AlphaDivergence(a, form=form) for a in pair)
    div_min, div_max = loss.divergences(student, teacher)
    torch.testing.assert_close(div_min, low.per_sample(student, teacher))
    torch.testing.assert_close(div_max, high.per_sample(student, teacher))
    assert not div_min.requires_grad
    takes_max = div_max > div_min
    assert takes_max.any()
    assert not takes_max.all()
    torch.testing.assert_close(loss.per_sample(student, teacher), torch.maximum(div_min, div_max))
    wanted = torch.where(takes_max.unsqueeze(1), gradient(high, student, teacher), gradient(low, student, teacher))
    torch.testing.assert_close(gradient(loss, student, teacher), wanted)


def test_the_paper_figure_2_examples_choose_as_the_paper_says():
    """Negative alpha penalises over-estimated uncertainty, positive alpha under-estimated uncertainty."""
    loss = AdaptiveAlphaDivergence(-1.0, 2.0, form="paper")
    spread, peaked = (
        torch.tensor([[0.48, 0.48, 0.02, 0.02]]).log(),
        torch.tensor([[0.94, 0.02, 0.02, 0.02]]).log(),
    )
    div_min, div_max = loss.divergences(peaked, spread)
    assert div_max > div_min
    div_min, div_max = loss.divergences(spread, torch.tensor([[0.9997, 0.0001, 0.0001, 0.0001]]).log())
    assert div_min > div_max


def test_divergences_checks_its_input():
    with pytest.raises(ValueError, match="same shape"):
        AdaptiveAlphaDivergence().divergences(torch.zeros(2, 3), torch.zeros(2, 4))


# ---- errors ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"clip": 0.0}, r"clip must be a number above 0, or math\.inf for none.*; got 0\.0"),
        ({"clip": -1}, "clip must be"),
        ({"clip": math.nan}, "clip must be.*nan"),
        ({"clip": "5"}, "clip must be.*'5'"),
        ({"clip": None}, "clip must be.*None"),
        ({"clip": True}, "clip must be"),
        ({"alpha_min": 2.0, "alpha_max": 1.0}, "alpha_min must not exceed alpha_max.*2.0.*1.0"),
        ({"alpha_min": math.nan}, "alpha_min must be a number from .*nan"),
        ({"alpha_min": -math.inf}, "alpha_min must be a number from -1e.06 to 1e.06, got -inf"),
        ({"alpha_max": math.inf}, "alpha_max must be a number"),
        ({"alpha_max": "1"}, "alpha_max must be a number.*'1'"),
        ({"form": "papers"}, "form must be one of 'reference', 'paper', 'exact', got 'papers'"),
        ({"form": None}, "form must be one of"),
        ({"form": ["paper"]}, "form must be one of"),
    ],
)
def test_refuses_settings_that_make_no_sense(arguments, words):
    with pytest.raises(ValueError, match=words):
        AdaptiveAlphaDivergence(**arguments)


def test_a_single_alpha_names_itself():
    with pytest.raises(ValueError, match=r"^alpha must be a number"):
        AlphaDivergence(math.inf)


def test_integers_are_numbers():
    student, teacher = logits_pair()
    assert torch.equal(AdaptiveAlphaDivergence(-1, 1, 5)(student, teacher), AdaptiveAlphaDivergence()(student, teacher))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("clip", [0.7, 1.0, 5.0])
def test_where_student_and_teacher_agree_any_clip_gives_no_gradient(form, clip):
    """At p = q all classes have the weight min(1, clip), of which eq. 5's expectation of grad log q is zero."""
    student, teacher = logits_pair()
    teacher = student.detach()
    for loss in (AlphaDivergence(-1.0, clip, form), AdaptiveAlphaDivergence(-1.0, 1.0, clip, form)):
        assert gradient(loss, student, teacher).abs().max() < 1e-12
    if form == "exact" or clip >= 1:
        assert AlphaDivergence(-1.0, clip, form).per_sample(student, teacher).abs().max() < 1e-12


def test_clip_one_is_the_mean_of_the_smaller_ratio():
    """By hand: p = (0.6, 0.4), q = (0.5, 0.5), alpha -1, beta 1: (q min(q/p, 1)) = (0.41666..., 0.5); eq. 3 over 2."""
    student = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log().requires_grad_()
    teacher = torch.tensor([[0.6, 0.4]], dtype=torch.float64).log()
    value = AlphaDivergence(-1.0, 1.0).per_sample(student, teacher)
    assert value.item() == pytest.approx((0.5 * 0.5 / 0.6 + 0.5 * 1.0 - 1) / 2)
    slope = gradient(AlphaDivergence(-1.0, 1.0), student, teacher)
    weights = torch.tensor([0.5 / 0.6, 1.0], dtype=torch.float64)
    wanted = 0.5 * (weights - weights.mean())  # eq. 5: -1/alpha q_j (w_j - E_q[w])
    torch.testing.assert_close(slope[0], wanted)
