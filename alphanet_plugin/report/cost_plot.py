"""Accuracy against what training has cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .canvas import SERIES, TOP1, check_png, new_axes, new_figure, text_style, write_picture
from .label_placement import move_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    axes = new_axes(figure, "multiply-adds spent on training / 1e12", TOP1, top=0.85)
    for number, (spent, smallest, mean, largest) in enumerate(runs.values()):
        color = SERIES[number % len(SERIES)]
        axes.plot([spent, spent], [smallest, largest], color=color, linewidth=1.6, alpha=0.6, zorder=2)
        axes.plot([spent], [mean], marker="o", markersize=7, color=color, zorder=3)
    axes.set_xlim(0, 1.2 * max(spent for spent, *_ in runs.values()) or 1)
    _draw_names(axes, runs)
    return write_picture(figure, path)


def _draw_names(axes: Axes, runs: Mapping[str, tuple[float, float, float, float]]) -> None:
    """Each run's name beside its dot, off the lines and the other names."""
    dots = np.asarray([(spent, mean) for spent, _, mean, _ in runs.values()])
    lines = np.asarray([(run[0], height) for run in runs.values() for height in np.linspace(run[1], run[3], 50)])
    texts = [axes.text(0, 0, name, fontsize=9, ha="center", va="center", zorder=4, **text_style()) for name in runs]
    move_labels(axes, texts, dots, lines, dots)
