"""What `apply_method` names in a distiller's config list: the losses between a student's and a teacher's tensors."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch.nn.functional as F
from torch import Tensor

from alphanet_plugin.losses import AdaptiveAlphaDivergence, AlphaDivergence, AlphaForm, KDLoss, KLDivergence


class DistillLoss(Protocol):
    """(student, teacher) of one shape -> scalar."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor: ...


class LogitsLoss:
    """A KD loss between outputs (B, ..., K): of distributions over the last dimension, as NNI's 'kl' has them.

    The positions of a sample are summed and the samples averaged, which is what NNI's 'batchmean' does; for (B, K)
    it is the KD loss itself.
    """

    def __init__(self, kd_loss: KDLoss) -> None:
        self.kd_loss = kd_loss

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Scalar; ValueError where there is no dimension beside the batch's."""
        if student.ndim < 2:
            raise ValueError(
                f"a divergence needs outputs (B, ..., K), got shape {tuple(student.shape)}; use apply_method 'mse' here"
            )
        rows = student.flatten(0, -2), teacher.flatten(0, -2)
        return self.kd_loss(*rows) * (len(rows[0]) / len(student))

    def __repr__(self) -> str:
        return repr(self.kd_loss)


def _adaptive_alpha(
    *,
    alpha_min: float = -1.0,
    alpha_max: float = 1.0,
    clip: float | None = 5.0,
    form: AlphaForm = "reference",
    temperature: float = 1.0,
) -> DistillLoss:
    return LogitsLoss(AdaptiveAlphaDivergence(alpha_min, alpha_max, _clip(clip), form, temperature))


def _alpha(
    *, alpha: float, clip: float | None = 5.0, form: AlphaForm = "reference", temperature: float = 1.0
) -> DistillLoss:
    return LogitsLoss(AlphaDivergence(alpha, _clip(clip), form, temperature))


def _kl(*, temperature: float = 2.0) -> DistillLoss:
    return LogitsLoss(KLDivergence(temperature))


def _mse() -> DistillLoss:
    return F.mse_loss  # pyright: ignore[reportReturnType]


def _clip(clip: float | None) -> float:
    return math.inf if clip is None else clip


# The signatures are the documentation of a method's keys, and what they are checked against.
_BUILDERS: dict[str, Callable[..., DistillLoss]] = {
    "adaptive_alpha": _adaptive_alpha,
    "alpha": _alpha,
    "kl": _kl,
    "mse": _mse,
}
DEFAULT_METHOD = "mse"  # NNI's
PARAMETERS = {method: tuple(inspect.signature(build).parameters) for method, build in _BUILDERS.items()}
"""The keys that each method takes beside NNI's own."""


def build_distill_loss(method: object, parameters: Mapping[str, Any]) -> DistillLoss:
    """The loss that `method` (None: NNI's default, 'mse') names.

    Raises:
        ValueError: No such method, a key that it does not take or lacks, or a value that the loss refuses.
    """
    method = DEFAULT_METHOD if method is None else method
    if not isinstance(method, str) or method not in _BUILDERS:
        raise ValueError(f"apply_method must be one of {_quoted(_BUILDERS)}, got {method!r}{near(method, _BUILDERS)}")
    signature = inspect.signature(_BUILDERS[method]).parameters
    takes = f"apply_method {method!r} takes {_quoted(signature) or 'no keys of its own'}"
    for key in parameters:
        if key not in signature:
            raise ValueError(f"{key!r} does not belong here: {takes}{near(key, signature)}")
    for key, parameter in signature.items():
        if parameter.default is parameter.empty and key not in parameters:
            raise ValueError(f"{takes}, and {key!r} is missing")
    return _BUILDERS[method](**parameters)


def near(word: object, known: Iterable[str]) -> str:
    """'; did you mean ...?' with the known word nearest to `word`, or nothing."""
    close = difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(map(repr, words))
