"""Pareto fronts of several recipes side by side (AlphaNet, Figure 3a)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .canvas import MFLOPS, TOP1, check_png, draw_key, looks, new_axes, new_figure, write_picture
from .pareto_plot import front_of

Run = Sequence[tuple[float, float]]
"""(cost, accuracy) of every subnet of one run."""
_PLACES = 400  # where the mean of several fronts is taken


def plot_fronts(
    runs: Mapping[str, Sequence[Run]],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
    among: Sequence[str] | None = None,
) -> Path:
    """Write a PNG: of each recipe every run's front as a thin line of steps, and their mean as a thick one.

    A front says which accuracy such a cost buys; their mean is over runs at equal cost, from where all have begun.

    Args:
        runs: Name of a recipe -> its runs, one for each seed.
        path: Where to; ends in ``.png``.
        title: Above the picture.
        subtitle: A smaller line under the title.
        among: As of `looks`.

    Raises:
        ValueError: A run holds no subnet, or the path is not a PNG's.
    """
    path = check_png(path)
    fronts = {name: [_front(run) for run in of_name] for name, of_name in runs.items() if of_name}
    if not fronts:
        raise ValueError("there is no front to plot")
    figure = new_figure(title, subtitle)
    named = looks(list(fronts), among)
    axes = new_axes(figure, MFLOPS, TOP1, top=draw_key(figure, named))
    right = max(front[-1, 0] for of_name in fronts.values() for front in of_name)
    for number, (name, of_name) in enumerate(fronts.items()):
        look = named[name]
        for front in of_name:
            ends = np.append(front, [[right, front[-1, 1]]], axis=0)
            axes.step(*ends.T, where="post", color=look.color, linewidth=0.8, alpha=0.3, zorder=2)
        mean = mean_front(of_name, right)
        apart = (_PLACES * (2 * number + 1) // (12 * len(fronts)), _PLACES // 6)  # no marker upon another's
        style = {**look.line, "marker": look.marker, "markersize": 5, "markevery": apart}
        axes.step(*mean.T, where="post", **style, linewidth=2.0, zorder=3)
    write_picture(figure, path)
    return path


def mean_front(fronts: Sequence[NDArray[np.float64]], right: float) -> NDArray[np.float64]:
    """The mean of fronts (n, 2) at equal cost, (m, 2), from where all have begun to `right`."""
    costs = np.linspace(max(front[0, 0] for front in fronts), right, _PLACES)
    bought = [front[np.searchsorted(front[:, 0], costs, side="right") - 1, 1] for front in fronts]
    return np.stack([costs, np.mean(bought, axis=0)], axis=1)


def _front(run: Run) -> NDArray[np.float64]:
    """Those better than everything as cheap or cheaper, by cost (n, 2)."""
    if not len(run):
        raise ValueError("a run holds no subnet to plot")
    return front_of(np.asarray(run, dtype=np.float64))
