"""What `apply_method` names in a distiller's config list: the losses between a student's and a teacher's tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Protocol, get_args

import torch.nn.functional as F
from torch import Tensor

from ...config import KDConfig, NoKDConfig
from ...losses import KDLoss
from ...nearest import nearest
from ...runs import kd_loss_of


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


DEFAULT_METHOD = "mse"  # NNI's
_NNI_DEFAULTS = {"kl": {"temperature": 2.0}}  # where NNI's own method has another default than the kd section
_KD_SECTIONS = {
    next(field.default for field in fields(section) if field.name == "name"): section
    for section in get_args(KDConfig)
    if section is not NoKDConfig
}
PARAMETERS: dict[str, tuple[str, ...]] = {
    **{
        str(method): tuple(field.name for field in fields(section) if field.name != "name")
        for method, section in _KD_SECTIONS.items()
    },
    "mse": (),
}
"""The keys that each method takes beside NNI's own: those of the ``kd`` section of that name."""


def build_distill_loss(method: object, parameters: Mapping[str, Any]) -> DistillLoss:
    """The loss that `method` (None: NNI's default, 'mse') names.

    Raises:
        ValueError: No such method, a key that it does not take or lacks, or a value that the loss refuses.
    """
    method = DEFAULT_METHOD if method is None else method
    if not isinstance(method, str) or method not in PARAMETERS:
        raise ValueError(f"apply_method must be one of {_quoted(PARAMETERS)}, got {method!r}{near(method, PARAMETERS)}")
    takes = f"apply_method {method!r} takes {_quoted(PARAMETERS[method]) or 'no keys of its own'}"
    for key in parameters:
        if key not in PARAMETERS[method]:
            raise ValueError(f"{key!r} does not belong here: {takes}{near(key, PARAMETERS[method])}")
    if method == "mse":
        return F.mse_loss  # pyright: ignore[reportReturnType]
    section = _KD_SECTIONS[method]
    given = {**_NNI_DEFAULTS.get(method, {}), **parameters}
    for field in fields(section):
        if field.default is MISSING and field.name not in given:
            raise ValueError(f"{takes}, and {field.name!r} is missing")
    if "clip" in given and given["clip"] is None:
        given["clip"] = math.inf
    try:
        kd_loss = kd_loss_of(section(**given))
    except ValueError as error:
        raise ValueError(str(error).removeprefix("kd.")) from None
    assert kd_loss is not None  # that is `none`, which is no method
    return LogitsLoss(kd_loss)


def near(word: object, known: Iterable[str]) -> str:
    """'; did you mean ...?' with the known word nearest to `word`, or nothing."""
    close = nearest(word, known)
    return f"; did you mean {close!r}?" if close else ""


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(map(repr, words))
