"""Teachers, students and their alpha-divergences (AlphaNet, Figure 2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .canvas import (
    FAINT,
    FONT,
    INK,
    LEFT,
    RIGHT,
    check_png,
    legend_style,
    looks,
    new_axes,
    new_figure,
    text_style,
    write_picture,
)

_TEACHER, _STUDENT = "#b9c2cb", INK  # none of the colours of the examples
_GAP, _TOP = 0.055, 0.8  # shares of the picture


@dataclass(frozen=True)
class DivergenceExample:
    """A teacher and a student on a few classes.

    Attributes:
        name: Above its bars.
        teacher: p, a probability for each class.
        student: q, the same.
        divergences: D_alpha(p || q) for each of the picture's alphas.
    """

    name: str
    teacher: Sequence[float]
    student: Sequence[float]
    divergences: Sequence[float]


def plot_divergences(
    alphas: Sequence[float],
    examples: Sequence[DivergenceExample],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
) -> Path:
    """Write a PNG: a panel of bars for each example, and one of their divergences over alpha.

    Args:
        alphas: Where the divergences were taken, ascending.
        examples: At least one.
        path: Where to; ends in ``.png``.
        title: Above the picture.
        subtitle: A smaller line under the title.

    Raises:
        ValueError: There is no example, a divergence is missing, or the path is not a PNG's.
    """
    path = check_png(path)
    if not examples or any(len(example.divergences) != len(alphas) for example in examples):
        raise ValueError("give at least one example, each with a divergence for every alpha")
    figure = new_figure(title, subtitle)
    width = (RIGHT - LEFT - _GAP * len(examples)) / (len(examples) + 1)
    for place, example in enumerate(examples):
        left = LEFT + place * (width + _GAP)
        axes = new_axes(figure, "class", "" if place else "probability", top=_TOP, left=left, right=left + width)
        figure.text(left, _TOP + 0.03, example.name, fontsize=9.5, fontweight="bold", va="center", **text_style())
        classes = range(1, len(example.teacher) + 1)
        axes.bar([c - 0.2 for c in classes], example.teacher, 0.36, color=_TEACHER, label="teacher p", zorder=3)
        axes.bar([c + 0.2 for c in classes], example.student, 0.36, color=_STUDENT, label="student q", zorder=3)
        axes.set_xticks(list(classes), [str(c) for c in classes], family=FONT, color=FAINT)
        axes.set_ylim(0, 1)
        axes.grid(False, axis="x")
        axes.legend(loc="upper right", **legend_style())
    left = LEFT + len(examples) * (width + _GAP)
    axes = new_axes(figure, "alpha", "", top=_TOP, left=left, right=left + width)
    figure.text(left, _TOP + 0.03, "alpha-divergence (nats)", fontsize=9.5, fontweight="bold", va="center",
                **text_style())  # fmt: skip
    spread = max(1, len(alphas) // 8)
    for look, example in zip(looks([str(n) for n in range(len(examples))]).values(), examples, strict=True):
        axes.plot(
            alphas, example.divergences, **look.line, linewidth=1.8, marker=look.marker, markevery=spread,
            label=example.name, zorder=3,
        )  # fmt: skip
    axes.axvline(1.0, color=FAINT, linewidth=0.9, linestyle=":", zorder=2)
    axes.text(0.96, sum(axes.get_ylim()) / 2, "KL", fontsize=8.5, ha="right", rotation=90, **text_style(FAINT))
    axes.legend(loc="upper center", **legend_style())
    return write_picture(figure, path)
