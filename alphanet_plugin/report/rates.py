"""The trials of a search for learning rate and weight decay: a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .canvas import BOTTOM, FAINT, FONT, INK, new_axes, new_figure, write_picture
from .table import markdown_lines

_BEST = "#c2264b"
_LEFT, _RIGHT, _SIDE = 0.15, 0.84, 0.7  # of the axes, shares of the picture


@dataclass(frozen=True, kw_only=True)
class RateTrial:
    """One trial.

    Attributes:
        number: Its place in the order in which trials began.
        lr: Learning rate.
        weight_decay: Weight decay.
        top1: Accuracy on the images held out (%); None where the loss was not finite.
        stopped_early: Whether it was stopped before its end.
    """

    number: int
    lr: float
    weight_decay: float
    top1: float | None
    stopped_early: bool = False


def rates_table(trials: Sequence[RateTrial]) -> str:
    """The trials in Markdown, best first; ends with a newline."""
    order = sorted(trials, key=lambda one: (-(one.top1 if one.top1 is not None else -1.0), one.number))
    header = ["trial", "learning rate", "weight decay", "hold-out top-1 (%)", ""]
    rows = [[str(one.number), f"{one.lr:.3g}", f"{one.weight_decay:.3g}", _top1(one), _note(one)] for one in order]
    return markdown_lines([header, *rows])


def plot_rates(trials: Sequence[RateTrial], path: Path, *, title: str, subtitle: str = "") -> Path:
    """Write a PNG of 1200 x 800 pixels: each trial a point at its rate and decay, coloured by its accuracy.

    The best has a ring and its figure beside it; a trial that was stopped early is a triangle, one whose loss was not
    finite a cross. Neither pyplot nor the caller's matplotlib settings are touched.

    Args:
        trials: At least one.
        path: Of the PNG; what stood there is replaced.
        title: Heading.
        subtitle: A smaller line under it.
    """
    if not trials:
        raise ValueError("there are no trials to draw")
    figure = new_figure(title, subtitle, left=_LEFT)
    axes = new_axes(figure, "learning rate", "weight decay", top=BOTTOM + _SIDE, left=_LEFT, right=_RIGHT)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.tick_params(which="both", colors=FAINT, labelsize=9, length=0, pad=5, labelfontfamily=FONT)
    _set_limits(axes, trials)
    _draw(figure, axes, trials)
    return write_picture(figure, path)


def _set_limits(axes: Any, trials: Sequence[RateTrial]) -> None:
    for name, place in (("lr", axes.set_xlim), ("weight_decay", axes.set_ylim)):
        values = [value for one in trials if (value := getattr(one, name)) > 0]
        low, high = (min(values), max(values)) if values else (1.0, 1.0)
        span = high / low
        room = max(span**0.08, (12 / span) ** 0.5)  # a decade at least
        place(low / room, high * room)


def _draw(figure: Any, axes: Any, trials: Sequence[RateTrial]) -> None:
    measured = [one for one in trials if one.top1 is not None]
    diverged = [one for one in trials if one.top1 is None]
    handles = []
    if measured:
        accuracies = [one.top1 for one in measured if one.top1 is not None]
        low, high = min(accuracies), max(accuracies)
        style: dict[str, Any] = {"cmap": "viridis", "vmin": low, "vmax": high if high > low else low + 1, "zorder": 3}
        style |= {"s": 90, "edgecolors": "white", "linewidths": 0.8}
        points = None
        for early, marker, name in ((False, "o", "trial"), (True, "^", "stopped early")):
            group = [one for one in measured if one.stopped_early == early]
            if group:
                points = axes.scatter(*_places(group), c=[one.top1 for one in group], marker=marker, **style)
                handles.append(_mark(marker, "#3b528b", name))
        bar = figure.colorbar(points, cax=figure.add_axes((0.87, BOTTOM, 0.022, _SIDE)))
        bar.set_label("hold-out top-1 (%)", fontsize=9.5, family=FONT, color=INK)
        bar.ax.tick_params(colors=FAINT, labelsize=9, length=0)
        bar.outline.set_visible(False)
        _draw_best(axes, max(measured, key=lambda one: (one.top1 or 0.0, -one.number)))
        handles.append(_mark("o", "none", "best", _BEST))
    if diverged:
        axes.scatter(*_places(diverged), marker="x", s=60, color=FAINT, linewidths=1.6, zorder=3)
        handles.append(_mark("x", FAINT, "loss not finite", FAINT))
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderpad=0.2, ncols=len(handles), frameon=False,
        labelcolor=INK, prop={"family": FONT, "size": 9}, handletextpad=0.4,
    )  # fmt: skip


def _draw_best(axes: Any, best: RateTrial) -> None:
    from matplotlib.patheffects import withStroke

    place = (best.lr, best.weight_decay)
    axes.scatter(*place, s=230, facecolors="none", edgecolors=_BEST, linewidths=1.8, zorder=4)
    horizontal, vertical = axes.transAxes.inverted().transform(axes.transData.transform(place))
    right, up = horizontal < 0.75, vertical < 0.9
    axes.annotate(
        f"{best.top1:.2f} %", place, xytext=(10 if right else -10, 9 if up else -16), textcoords="offset points",
        ha="left" if right else "right", fontsize=9.5, fontweight="bold", family=FONT, color=_BEST, zorder=5,
        parse_math=False, path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip


def _places(trials: Sequence[RateTrial]) -> tuple[list[float], list[float]]:
    return [one.lr for one in trials], [one.weight_decay for one in trials]


def _mark(marker: str, face: str, name: str, edge: str = "none") -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], linestyle="", marker=marker, markersize=7, markerfacecolor=face, markeredgecolor=edge,
        markeredgewidth=1.6, label=name,
    )  # fmt: skip


def _top1(trial: RateTrial) -> str:
    return "-" if trial.top1 is None else f"{trial.top1:.2f}"


def _note(trial: RateTrial) -> str:
    return "loss not finite" if trial.top1 is None else "stopped early" if trial.stopped_early else ""
