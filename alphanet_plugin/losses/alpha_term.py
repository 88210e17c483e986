"""One alpha-divergence between two batches of distributions: its value, and the weights of its gradient.

Notation of the AlphaNet paper (Wang et al. 2021): teacher p, student q, density ratio t = p / q. Here
l = log t, and g_a(l) = (t^a - 1) / a with g_0(l) = l, the Box-Cox family that both the gradient and the value
are made of.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal, get_args

from torch import Tensor

from ..errors import brief
from .base import number_between
from .one_pass import HUGE

AlphaForm = Literal["reference", "paper", "exact"]

_LARGEST_ALPHA = 1e6  # times the largest |l|, 1e30, still within float32
_EXPONENT_CAP = 80.0  # exp(80) = 5.5e34, within float32
_REFERENCE_TOLERANCE = 1e-3
_LIMIT_TOLERANCE = 1e-30  # below it alpha * l <= 1 for every l: take the limit alpha = 0


class AlphaTerm:
    """D_alpha(p || q) of eq. 3 in one of three forms, with the clipped gradient of eq. 5.

    The gradient with respect to student logit j is -q_j (g_j - E_q[g]), g = g_alpha(l) with l clipped where
    t^alpha reaches `clip`: eq. 5 with grad log q_i = onehot_i - q, up to a constant that E_q removes. The forms
    (see `AlphaDivergence`) differ in where the clip lies and in what they report as the value.
    """

    def __init__(self, alpha: float, clip: float, form: AlphaForm, name: str = "alpha") -> None:
        self.form = _checked_form(form)
        self.clip = _checked_clip(clip)
        alpha = number_between(name, alpha, -_LARGEST_ALPHA, _LARGEST_ALPHA)
        self.power = _snapped(alpha, self.form)
        self.lower, self.upper = _clip_points(self.power, self.clip, self.form)

    def __call__(self, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
        """Values `(B,)` and weights q g `(B, K)` from log-probabilities `(B, K)` of teacher and student."""
        log_t = log_p - log_q
        clipped = log_t.clamp(self.lower, self.upper) if self._clips else log_t
        weight = _weight(log_p, log_q, clipped, self.power, unclipped=not self._clips)
        if self.power == 1.0 and not self._clips:
            value = _kl(log_p, log_t)
        elif self.form == "reference":
            value = weight.sum(dim=-1).div_(self.power - 1)  # eq. 3 with t^alpha clipped: may be negative
        elif self.form == "paper":
            value = _bregman(log_p, log_t, _weighted_g(log_q, log_t, self.power), self.power)
        else:
            value = self._exact(log_p, log_q, clipped, weight)
        return value.clamp_(-HUGE, HUGE), weight

    def _exact(self, log_p: Tensor, log_q: Tensor, clipped: Tensor, weight: Tensor) -> Tensor:
        """The f-divergence of Proposition 3.1.

        With a clip below 1, f is its tangent at t = 1 too, and what is taken off is that tangent, of the clip point l_0
        instead of 0: g_a(l) - g_a(l_0) = exp(a l_0) g_a(l - l_0).
        """
        edge = min(max(0.0, self.lower), self.upper)
        if edge == 0.0:
            return _bregman(log_p, clipped, weight, self.power)
        beyond = clipped - edge
        weight = _weighted_g(log_q + self.power * edge, beyond, self.power).clamp_(-HUGE, HUGE)
        return _bregman(log_p + (self.power - 1) * edge, beyond, weight, self.power)

    @property
    def _clips(self) -> bool:
        return self.lower > -math.inf or self.upper < math.inf


def _weight(log_p: Tensor, log_q: Tensor, log_t: Tensor, power: float, *, unclipped: bool) -> Tensor:
    """q g_power(l), within [-1e30, 1e30]."""
    if power == 1.0 and unclipped:
        return log_p.exp().sub_(log_q.exp())  # KL: no detour over l, which loses digits where it is large
    return _weighted_g(log_q, log_t, power).clamp_(-HUGE, HUGE)


def _weighted_g(log_weight: Tensor, log_t: Tensor, power: float) -> Tensor:
    """exp(log_weight) g_power(log_t), free of cancellation for small |power log_t| and of overflow for large.

    w expm1(x) = w e^max(x, 0) sign(x) (1 - e^-|x|): the exponents add up before exp is taken.
    """
    if power == 0.0:
        return log_weight.exp().mul_(log_t)
    x = log_t * power
    scale = x.clamp(min=0).add_(log_weight).clamp_(max=_EXPONENT_CAP).exp_()
    return scale.mul_(x.abs().neg_().expm1_().copysign_(x)).div_(power)


def _bregman(log_p: Tensor, log_t: Tensor, weight: Tensor, power: float) -> Tensor:
    """sum_i q_i [f(t_i) - f(1) - f'(1) (t_i - 1)], the f-divergence of Proposition 3.1, elementwise non-negative.

    With h(t) = f(t) - f(1) - f'(1) (t - 1): h'(t) = g_{alpha-1}(log t), and rho_h = t h' - h = g_alpha(log t),
    hence q h = p g_{alpha-1}(l) - q g_alpha(l). Where l was clipped at l_0, this same expression is the tangent
    line at t_0: p h'(t_0) - q rho_h(t_0). The terms taken off sum to zero over the classes.
    """
    return _weighted_g(log_p, log_t, power - 1).sub_(weight).clamp_(min=0).sum(dim=-1)


def _kl(log_p: Tensor, log_t: Tensor) -> Tensor:
    """KL(p || q) per sample; rounding must not turn it negative."""
    return log_p.exp().mul_(log_t).sum(dim=-1).clamp_(min=0)


def _snapped(alpha: float, form: AlphaForm) -> float:
    """`alpha`, or exactly 0 or 1 where the form takes the limit."""
    if abs(alpha) < (_REFERENCE_TOLERANCE if form == "reference" else _LIMIT_TOLERANCE):
        return 0.0
    if form == "reference" and abs(alpha - 1) < _REFERENCE_TOLERANCE:
        return 1.0  # the clipped eq. 3 grows like 1 / (alpha - 1) towards 1, where the program has KL
    return alpha


def _clip_points(power: float, clip: float, form: AlphaForm) -> tuple[float, float]:
    """Smallest and largest l = log t that g sees."""
    if form == "reference" and power == 1.0:
        return -math.inf, math.inf  # the released program never clips KL
    if power == 0.0:  # eq. 5's clip at clip^(1/alpha) moves to infinity; the released program clips t itself
        return -math.inf, math.log(clip) if form == "reference" else math.inf
    edge = math.log(clip) / power
    return (-math.inf, edge) if power > 0 else (edge, math.inf)


def _checked_clip(clip: float) -> float:
    if isinstance(clip, Real) and not isinstance(clip, bool) and clip > 0:
        return float(clip)
    raise ValueError(f"clip must be a number above 0, or math.inf for none: it bounds (p/q)^alpha; got {brief(clip)}")


def _checked_form(form: AlphaForm) -> AlphaForm:
    if form in get_args(AlphaForm):
        return form
    allowed = ", ".join(repr(name) for name in get_args(AlphaForm))
    raise ValueError(f"form must be one of {allowed}, got {form!r}")
