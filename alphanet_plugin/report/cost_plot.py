"""Accuracy against what training has cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .canvas import FAINT, SERIES, check_png, new_axes, new_figure, text_style, write_picture


def plot_costs(
    runs: Mapping[str, tuple[float, float, float, float]],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
) -> Path:
    """Write a PNG: a dot for each run, with a line from its smallest network's accuracy to its largest's.

    Args:
        runs: Name -> (multiply-adds / 1e12 spent, accuracy of the smallest network, mean Pareto accuracy, accuracy of
            the largest), accuracies in percent.
        path: Where to; ends in ``.png``.
        title: Above the picture.

    Raises:
        ValueError: There is no run, or the path is not a PNG's.
    """
    path = check_png(path)
    if not runs:
        raise ValueError("there is no run to draw")
    figure = new_figure(
        title, subtitle or "dots: mean Pareto accuracy; lines: from the smallest to the largest network"
    )
    axes = new_axes(figure, "multiply-adds spent on training / 1e12", "top-1 accuracy (%)", top=0.85)
    for number, (name, (spent, smallest, mean, largest)) in enumerate(runs.items()):
        color = SERIES[number % len(SERIES)]
        axes.plot([spent, spent], [smallest, largest], color=color, linewidth=1.6, alpha=0.6, zorder=2)
        axes.plot([spent], [mean], marker="o", markersize=7, color=color, zorder=3)
        axes.annotate(
            name, (spent, mean), xytext=(9, 0), textcoords="offset points", fontsize=9, va="center", **text_style(FAINT)
        )
    axes.set_xlim(0, 1.2 * max(spent for spent, *_ in runs.values()) or 1)
    write_picture(figure, path)
    return path
