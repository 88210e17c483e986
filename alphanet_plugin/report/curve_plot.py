"""Training curves of several recipes (AlphaNet, Figures 3b and 3c)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .canvas import LEFT, RIGHT, TOP1, check_png, draw_key, looks, new_axes, new_figure, text_style, write_picture

Curve = Sequence[tuple[float, float]]
"""(epoch, accuracy) of one run."""
_GAP = 0.075  # between panels, a share of the picture


def plot_curves(
    panels: Mapping[str, Mapping[str, Sequence[Curve]]],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
    xlabel: str = "epochs",
    among: Sequence[str] | None = None,
) -> Path:
    """Write a PNG: a panel for each subnet, of each recipe the mean over runs with a band of one standard deviation.

    Args:
        panels: Name of a subnet -> name of a recipe -> its runs, one for each seed, all at the same epochs.
        path: Where to; ends in ``.png``.
        title: Above the picture.
        subtitle: A smaller line under the title.
        xlabel: With its unit.
        among: As of `looks`.

    Raises:
        ValueError: There is nothing to plot, a recipe's runs differ in their epochs, or the path is not a PNG's.
    """
    path = check_png(path)
    names = list(dict.fromkeys(name for panel in panels.values() for name, curves in panel.items() if curves))
    if not names:
        raise ValueError("there is no curve to plot")
    figure = new_figure(title, subtitle)
    named = looks(names, among)
    top = draw_key(figure, named) - 0.045
    width = (RIGHT - LEFT - _GAP * (len(panels) - 1)) / len(panels)
    for place, (subnet, panel) in enumerate(panels.items()):
        left = LEFT + place * (width + _GAP)
        label = "" if place else TOP1
        axes = new_axes(figure, xlabel, label, top=top, left=left, right=left + width)
        figure.text(left, top + 0.022, subnet, fontsize=10.5, fontweight="bold", va="center", **text_style())
        for name, curves in panel.items():
            if curves:
                look = named[name]
                epochs, mean, std = _over_runs(name, curves)
                axes.fill_between(epochs, mean - std, mean + std, color=look.color, alpha=0.15, linewidth=0, zorder=2)
                axes.plot(epochs, mean, **look.line, linewidth=1.8, marker=look.marker, markersize=4.5, zorder=3)
        places = {place for curves in panel.values() for curve in curves for place, _ in curve}
        if len(places) == 1:  # matplotlib would mark hundredths about it
            axes.set_xticks(list(places))
            axes.set_xlim(min(places) - 1, max(places) + 1)
    return write_picture(figure, path)


def _over_runs(name: str, curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Epochs, means and standard deviations (0 of one run), each (n,)."""
    epochs = [epoch for epoch, _ in curves[0]]
    if any([epoch for epoch, _ in curve] != epochs for curve in curves):
        raise ValueError(f"the runs of {name!r} were measured at different epochs and have no common curve")
    values = np.asarray([[accuracy for _, accuracy in curve] for curve in curves], dtype=np.float64)
    std = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return np.asarray(epochs, dtype=np.float64), values.mean(axis=0), std
