"""Gradients of the full model and of shrinking (DepS, Figures 3 and 4)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .canvas import (
    FAINT,
    LEFT,
    RIGHT,
    Look,
    check_png,
    draw_key,
    looks,
    new_axes,
    new_figure,
    text_style,
    write_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 0.085  # between panels, a share of the picture
_NAMES = ("full model", "other subnets, scaled", "whole, as trained", "whole, unscaled")


def plot_gradients(records: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], *, title: str) -> Path:
    """Write a PNG: norms and cosines layer by layer where shrinking begins, and over the steps Figure 4's ratio.

    That is the whole gradient's norm to the initial full one's, with the others' gradients scaled as trained and at
    their own size.

    Args:
        records: Of `training.GradientComparison`; at least one.
        path: Where to; ends in ``.png``.
        title: Above the picture.

    Raises:
        ValueError: There is no record, or the path is not a PNG's.
    """
    path = check_png(path)
    if not records:
        raise ValueError("there are no gradients to plot")
    shown = next((record for record in records if record["all"]["shrink"]), records[0])
    layers = list(shown["layers"].values())
    figure = new_figure(
        title, f"by layer at step {shown['step']}; {len(layers)} layers from the stem to the classifier"
    )
    named = looks(_NAMES)
    full, others, whole, unscaled = named.values()
    top = draw_key(figure, named) - 0.045
    width = (RIGHT - LEFT - 2 * _GAP) / 3
    panels = (("layer", "L2 norm of the gradient"), ("layer", "cosine"), ("step", "norm / initial full one's"))
    axes = []
    for number, (xlabel, name) in enumerate(panels):
        left = LEFT + number * (width + _GAP)
        axes.append(new_axes(figure, xlabel, "", top=top, left=left, right=left + width))
        figure.text(left, top + 0.022, name, fontsize=10, fontweight="bold", va="center", **text_style())
    norms, cosines, ratios = axes
    places = range(1, len(layers) + 1)
    for key, look in (("full", full), ("shrink", others)):
        _draw(norms, places, [one[key] or None for one in layers], look)
    norms.set_yscale("log")
    norms.tick_params(which="minor", length=0)
    _draw(cosines, places, [one["cosine"] for one in layers], others)
    cosines.axhline(0, color=FAINT, linewidth=0.8)
    shrinking = [record for record in records if record["all"]["shrink"] and record.get("scale")]
    _draw(ratios, [one["step"] for one in shrinking], [_unscaled_ratio(one) for one in shrinking], unscaled)
    _draw(ratios, [record["step"] for record in records], [record["all"]["ratio"] for record in records], whole)
    return write_picture(figure, path)


def _unscaled_ratio(record: Mapping[str, Any]) -> float | None:
    """What the ratio would be with the others' gradients at their own size: Figure 4 without epsilon."""
    figures = record["all"]
    full, shrink, ratio = figures["full"], figures["shrink"] / record["scale"], figures["ratio"]
    dot = (figures["cosine"] or 0.0) * full
    whole, unscaled = (math.sqrt(max(0.0, full**2 + 2 * dot * one + one**2)) for one in (figures["shrink"], shrink))
    return ratio * unscaled / whole if ratio and whole else None


def _draw(axes: Axes, x: Sequence[int], y: Sequence[float | None], look: Look) -> None:
    """A line with a gap where there is no value."""
    values = [math.nan if value is None else value for value in y]
    axes.plot(x, values, **look.line, marker=look.marker, markersize=3.5, linewidth=1.2)
