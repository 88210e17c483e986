"""Recipes compared in regimes of cost: box plots (AlphaNet, Figure 4) and differences to a baseline (Figure 6)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import FAINT, FONT, INK, MFLOPS, TOP1, check_png, draw_key, looks, new_axes, new_figure, write_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARE = 0.8  # of a regime's width that its boxes take


def plot_boxes(
    regimes: Sequence[str],
    values: Mapping[str, Sequence[Sequence[float]]],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
    among: Sequence[str] | None = None,
) -> Path:
    """Write a PNG: in each regime a box for each recipe, from bottom to top minimum, quartiles, maximum.

    Args:
        regimes: What each regime is called, cheapest first.
        values: Name of a recipe -> for each regime the accuracies of its subnets; a regime may be empty.
        path: Where to; ends in ``.png``.
        title: Above the picture.
        subtitle: A smaller line under the title.
        among: As of `looks`.

    Raises:
        ValueError: There is nothing to plot, a recipe has another number of regimes, or the path is not a PNG's.
    """
    path = check_png(path)
    _check(regimes, values)
    figure = new_figure(title, subtitle)
    named = looks(list(values), among)
    axes = new_axes(figure, MFLOPS, TOP1, top=draw_key(figure, named, areas=True))
    width = _SHARE / len(values)
    for place, (name, of_name) in enumerate(values.items()):
        look = named[name]
        filled = [number for number, one in enumerate(of_name) if len(one)]
        line: dict[str, Any] = {"color": look.color, "linewidth": 1.1}
        drawn = axes.boxplot(
            [of_name[number] for number in filled],
            positions=[number + _offset(place, len(values)) for number in filled],
            widths=0.8 * width, whis=(0, 100), showfliers=False, patch_artist=True, manage_ticks=False,
            boxprops={**line, "facecolor": _pale(look.color)}, whiskerprops=line, capprops=line,
            medianprops={**line, "linewidth": 1.8},
        )  # fmt: skip
        for box in drawn["boxes"]:
            box.set_hatch(look.hatch)
    _name_regimes(axes, regimes)
    return write_picture(figure, path)


def plot_relative(
    regimes: Sequence[str],
    differences: Mapping[str, Sequence[Sequence[float]]],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
    among: Sequence[str] | None = None,
) -> Path:
    """Write a PNG: in each regime a bar for each recipe, its mean difference to the baseline, and a dot for each run.

    Args:
        regimes: What each regime is called, cheapest first.
        differences: Name of a recipe -> for each regime its runs' differences, one for each seed; may be empty.
        path: Where to; ends in ``.png``.
        title: Above the picture.
        subtitle: A smaller line under the title.
        among: As of `looks`.

    Raises:
        ValueError: There is nothing to plot, a recipe has another number of regimes, or the path is not a PNG's.
    """
    path = check_png(path)
    _check(regimes, differences)
    figure = new_figure(title, subtitle)
    ylabel = "best top-1 accuracy less the baseline's (points)"
    named = looks(list(differences), among)
    axes = new_axes(figure, MFLOPS, ylabel, top=draw_key(figure, named, areas=True))
    width = _SHARE / len(differences)
    axes.axhline(0.0, color=INK, linewidth=1.0, zorder=2)
    for place, (name, of_name) in enumerate(differences.items()):
        color, _, hatch, _ = named[name]
        for number, runs in enumerate(of_name):
            if len(runs):
                x = number + _offset(place, len(differences))
                axes.bar(
                    x, float(np.mean(runs)), 0.85 * width, color=_pale(color), edgecolor=color, zorder=3, hatch=hatch
                )
                axes.scatter(np.full(len(runs), x), runs, s=9, color=color, linewidths=0, zorder=4)
    _name_regimes(axes, regimes)
    return write_picture(figure, path)


def _check(regimes: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]]) -> None:
    if not any(len(one) for of_name in values.values() for one in of_name):
        raise ValueError("there is no subnet to plot")
    for name, of_name in values.items():
        if len(of_name) != len(regimes):
            raise ValueError(f"{name!r} has {len(of_name)} regimes, not {len(regimes)}")


def _offset(place: int, count: int) -> float:
    """Of the middle of the box at `place`, from the middle of its regime of width 1."""
    return _SHARE * ((place + 0.5) / count - 0.5)


def _name_regimes(axes: Axes, regimes: Sequence[str]) -> None:
    axes.set_xticks(range(len(regimes)), regimes, family=FONT, color=FAINT, fontsize=9)
    axes.set_xlim(-0.5, len(regimes) - 0.5)
    axes.grid(False, axis="x")


def _pale(color: str) -> tuple[float, float, float]:
    """A quarter of the colour, the rest white."""
    red, green, blue = (1 - 0.25 * (1 - int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return red, green, blue
