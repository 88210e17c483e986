"""Pictures of searches: accuracy against cost, and the fronts of several recipes (AlphaNet, Figure 3a)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .canvas import (
    FAINT,
    FONT,
    MFLOPS,
    TOP1,
    check_png,
    draw_key,
    legend_style,
    looks,
    new_axes,
    new_figure,
    write_picture,
)
from .label_placement import move_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EARLY, _LATE = "#c3d2e0", "#2f6f9f"
_FRONT, _PRESET = "#0f4c75", "#e07b1a"
_PRESET_TEXT = "#b3590a"  # darker, to be read on white


class Measured(Protocol):
    """A subnet with its cost (multiply-adds / 1e6) and its metrics; `search.Evaluated` is one."""

    @property
    def mflops(self) -> float: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...


def plot_pareto(
    points: Sequence[Measured],
    path: str | os.PathLike[str],
    *,
    presets: Mapping[str, Measured] | None = None,
    cost: Callable[[Any], float] | None = None,
    title: str = "Accuracy against cost",
    xlabel: str = MFLOPS,
    ylabel: str = TOP1,
) -> Path:
    """Write a PNG of 1200 x 800 pixels: every subnet a point, the Pareto front of them all a line.

    Points are coloured by their order, from pale (evaluated first) to dark (last), so that one sees a search proceed.
    The front is drawn in steps: the best accuracy that such a cost buys. A few points far below all others are
    marked on the lower edge, that they do not flatten the rest.
    The file is written beside and renamed. Neither pyplot nor the caller's matplotlib settings are touched.

    Args:
        points: All evaluated subnets, in the order of their evaluation.
        path: Where to; ends in ``.png``, folders are made.
        presets: Subnets marked and labelled by name; the front takes them in.
        cost: What the horizontal axis shows of a subnet; its MFLOPs by default.
        title: Above the picture.
        xlabel: With its unit.
        ylabel: With its unit.

    Raises:
        ValueError: There is nothing to show, an accuracy is not finite, or the path is not a PNG's.
    """
    path = check_png(path)
    presets = _by_place(presets or {}, cost)
    dots, preset_dots = (_coordinates(group, cost) for group in (points, list(presets.values())))
    everything = np.concatenate([dots, preset_dots])
    if not len(everything):
        raise ValueError("there is no subnet to plot")

    figure = new_figure(title, "")
    axes = new_axes(figure, xlabel, ylabel, top=0.9)
    _set_limits(axes, everything, floor=min(_floor(dots), *everything[len(dots) :, 1], np.inf))
    num_below = _draw_points(axes, dots)
    _draw_legend(axes, len(dots), num_below, bool(presets))
    _make_room_for_legend(axes, everything)
    front = _draw_front(axes, everything)
    axes.scatter(*preset_dots.T, s=46, marker="D", color=_PRESET, edgecolors="white", linewidths=1.0, zorder=5)
    _draw_labels(axes, list(presets), preset_dots, front, dots)
    return write_picture(figure, path)


def _by_place(presets: Mapping[str, Measured], cost: Callable[[Any], float] | None) -> dict[str, Measured]:
    """Those at one place, whose marks would hide each other, as one by all of their names."""
    places: dict[tuple[float, float], list[str]] = {}
    for name, (x, y) in zip(presets, _coordinates(list(presets.values()), cost), strict=True):
        places.setdefault((float(x), float(y)), []).append(name)
    return {", ".join(names): presets[names[0]] for names in places.values()}


def _coordinates(group: Sequence[Measured], cost: Callable[[Any], float] | None) -> NDArray[np.float64]:
    """Cost and accuracy (n, 2)."""
    rows = [(cost(subnet) if cost else subnet.mflops, subnet.metrics["top1"]) for subnet in group]
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(table).all():
        raise ValueError("the cost or top1 of a subnet is not finite and cannot be plotted")
    return table


def front_of(dots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of dots (n, 2) of cost and accuracy those better than everything as cheap or cheaper, by cost."""
    dots = dots[np.lexsort((-dots[:, 1], dots[:, 0]))]
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(dots[:, 1])[:-1]])
    return dots[dots[:, 1] > best_before]


def _floor(dots: NDArray[np.float64]) -> float:
    """The lowest point's height; without those far out (three interquartile ranges below) if they are few (5 %)."""
    if not len(dots):
        return np.inf
    heights = np.sort(dots[:, 1])
    lower, upper = np.percentile(heights, [25, 75])
    num_far = int(np.searchsorted(heights, lower - 3 * (upper - lower)))
    return float(heights[num_far if num_far <= 0.05 * len(heights) else 0])


def _set_limits(axes: Axes, everything: NDArray[np.float64], floor: float) -> None:
    """Room around the points, above all over them, where labels go."""
    (left, _), (right, top) = everything.min(axis=0), everything.max(axis=0)
    width, height = (span or max(abs(end) * 0.1, 1.0) for span, end in [(right - left, right), (top - floor, top)])
    axes.set_xlim(left - 0.05 * width, right + 0.05 * width)
    axes.set_ylim(floor - 0.07 * height, top + 0.12 * height)


def _draw_points(axes: Axes, dots: NDArray[np.float64]) -> int:
    """Returns how many lie below the axes and are marked on the lower edge."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.transforms import blended_transform_factory

    style: dict[str, Any] = {"cmap": LinearSegmentedColormap.from_list("order", [_EARLY, _LATE]), "linewidths": 0}
    style |= {"vmin": 0, "vmax": max(len(dots) - 1, 1), "alpha": 0.75, "zorder": 2}
    order = np.arange(len(dots))
    below = dots[:, 1] < axes.get_ylim()[0]
    size = float(np.interp(len(dots), [50, 2000], [26, 9]))
    axes.scatter(*dots[~below].T, c=order[~below], s=size, **style)
    if below.any():
        on_edge = blended_transform_factory(axes.transData, axes.transAxes)
        places = np.full(below.sum(), 0.02)
        axes.scatter(dots[below, 0], places, c=order[below], s=22, marker="v", transform=on_edge, **style)
    return int(below.sum())


def _draw_front(axes: Axes, everything: NDArray[np.float64]) -> NDArray[np.float64]:
    """The front as steps that go on to the right; returns its course (n, 2)."""
    front = front_of(everything)
    edge = [everything[:, 0].max(), front[-1, 1]]
    corners = np.stack([front[1:, 0], front[:-1, 1]], axis=1)
    course = np.empty((2 * len(front), 2))
    course[0::2], course[1:-1:2], course[-1] = front, corners, edge
    axes.fill_between(course[:, 0], course[:, 1], axes.get_ylim()[0], color=_FRONT, alpha=0.035, linewidth=0, zorder=1)
    axes.plot(*course.T, color=_FRONT, linewidth=1.7, zorder=3, solid_joinstyle="round")
    axes.scatter(*front.T, s=14, color=_FRONT, linewidths=0, zorder=3)
    return course


def _draw_legend(axes: Axes, num_points: int, num_below: int, presets: bool) -> None:
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D

    def mark(marker: str, color: str, size: float) -> Line2D:
        return Line2D([], [], marker=marker, color=color, markersize=size, linestyle="", markeredgewidth=0)

    entries: list[tuple[Any, str]] = []
    if num_points:
        shades = tuple(mark("o", color, 5.5) for color in (_EARLY, "#7aa1c0", _LATE))
        entries.append(
            (shades, f"{num_points:,} evaluated subnets, first to last" if num_points > 1 else "1 evaluated subnet")
        )
    if num_below:
        entries.append((mark("v", FAINT, 5.5), f"{num_below:,} of them below {axes.get_ylim()[0]:.3g}"))
    entries.append((Line2D([], [], color=_FRONT, linewidth=1.7, marker="o", markersize=4), "Pareto front"))
    if presets:
        entries.append((mark("D", _PRESET, 6), "presets"))
    handles, labels = zip(*entries, strict=True)
    axes.legend(
        handles, labels, loc="lower right", **legend_style(),
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.3)}, bbox_to_anchor=(1, 0.045 if num_below else 0),
    ).set_zorder(6)  # fmt: skip


def _make_room_for_legend(axes: Axes, everything: NDArray[np.float64]) -> None:
    """Lower the bottom of the axes until no point lies under the legend; what is marked on the edge stays there."""
    legend = axes.get_legend()
    assert legend is not None
    box = legend.get_window_extent().transformed(axes.transData.inverted())
    bottom, top = axes.get_ylim()
    over = everything[(everything[:, 0] > box.x0) & (everything[:, 1] > bottom)]
    share = 0.02 + (box.y1 - bottom) / (top - bottom)  # of the height
    lowest = over[:, 1].min() if len(over) else top
    axes.set_ylim(min(bottom, (lowest - share * top) / (1 - share)), top)


def _draw_labels(
    axes: Axes,
    names: Sequence[str],
    named: NDArray[np.float64],
    front: NDArray[np.float64],
    dots: NDArray[np.float64],
) -> None:
    if not len(named):
        return
    from matplotlib.patheffects import withStroke

    texts = [
        axes.text(
            x, y, name, fontsize=9, fontweight="bold", family=FONT, color=_PRESET_TEXT, ha="center", va="center",
            zorder=7, parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
        for (x, y), name in zip(named, names, strict=True)
    ]  # fmt: skip
    course = axes.transData.inverted().transform(_along(axes.transData.transform(front)))
    move_labels(axes, texts, named, course, dots)


def _along(line: NDArray[np.float64], spacing: float = 6.0) -> NDArray[np.float64]:
    """Points (n, 2) on a line of pixels, `spacing` apart."""
    if len(line) < 2:
        return line
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    places = np.arange(0.0, lengths[-1], spacing)
    return np.stack([np.interp(places, lengths, line[:, axis]) for axis in (0, 1)], axis=1)


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
    return write_picture(figure, path)


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
