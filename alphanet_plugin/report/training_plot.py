"""Pictures of a training: what its log says, and before that its timeline of rate and scale."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .canvas import (
    BOTTOM,
    DASHES,
    FAINT,
    LEFT,
    RIGHT,
    SERIES,
    check_png,
    label_phase,
    legend_style,
    new_axes,
    new_figure,
    text_style,
    write_picture,
)

_POINTS = 200  # of a curve; each is the mean of the steps about it


def plot_training(
    records: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    steps_per_epoch: int,
    title: str,
    measured: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write a PNG: losses, and accuracy where it was measured, above; the learning rate below; a band for each phase.

    Args:
        records: Of the run's log, by step: ``step``, ``lr``, ``loss``, and ``kd_loss``, ``phase`` where there are any.
        path: Where to; ends in ``.png``.
        steps_per_epoch: Steps of an epoch.
        title: Above the picture.
        measured: ``{"epoch", "smallest": {"top1"}, "largest": {"top1"}}`` of each measurement.

    Raises:
        ValueError: There is no record, or the path is not a PNG's.
    """
    path = check_png(path)
    if not records:
        raise ValueError("there is no step to draw")
    epochs = np.asarray([record["step"] + 1 for record in records]) / steps_per_epoch
    figure = new_figure(title, "losses are means over neighbouring steps" + ("; bands are phases" * _several(records)))
    top, between = 0.76, 0.1
    middle = BOTTOM + (top - BOTTOM) * 0.36
    above = new_axes(figure, "", "loss", top=top)
    above.set_position((LEFT, middle + between / 2, RIGHT - LEFT - 0.05, top - middle - between / 2))
    below = new_axes(figure, "epochs", "learning rate", top=middle - between / 2 + 0.02, right=RIGHT - 0.05)
    above.plot(*_smooth(epochs, records, "loss"), color=SERIES[0], linewidth=1.6, label="loss of the first pass")
    if any(record.get("kd_loss") for record in records):
        line = {"color": SERIES[1], "linewidth": 1.6, "linestyle": (0, DASHES)}
        above.plot(*_smooth(epochs, records, "kd_loss"), **line, label="loss of the others")
    below.plot(*_smooth(epochs, records, "lr"), color=SERIES[0], linewidth=1.6)
    below.set_ylim(bottom=0)
    if measured:
        _draw_accuracy(above, measured)
    _draw_phases((above, below), records, epochs)
    figure.legend(
        *above.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(LEFT - 0.015, 0.885), ncols=4,
        columnspacing=1.4, **legend_style(),
    )  # fmt: skip
    return write_picture(figure, path)


def thinned(records: Sequence[Mapping[str, Any]], steps_per_epoch: float) -> list[dict[str, float]]:
    """Of a run's log ``{"epoch", "loss", "kd_loss", "lr"}``, few enough to draw: means over neighbouring steps.

    ``kd_loss`` is NaN where a step has but one pass.
    """
    if not records:
        return []
    epochs = np.asarray([record["step"] + 1 for record in records]) / steps_per_epoch
    curves = {key: _smooth(epochs, records, key) for key in ("loss", "kd_loss", "lr")}
    along = {"epoch": curves["lr"][0], **{key: values for key, (_, values) in curves.items()}}
    return [dict(zip(along, map(float, point), strict=True)) for point in zip(*along.values(), strict=True)]


def _several(records: Sequence[Mapping[str, Any]]) -> bool:
    return len({record.get("phase") for record in records}) > 1


def _smooth(epochs: np.ndarray, records: Sequence[Mapping[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    alone = [key == "kd_loss" and record.get("backwards") == 1 for record in records]
    values = np.where(alone, np.nan, [record.get(key, np.nan) for record in records])
    parts = np.array_split(np.arange(len(values)), min(_POINTS, len(values)))
    return np.asarray([epochs[part].mean() for part in parts]), np.asarray([values[part].mean() for part in parts])


def _draw_accuracy(axes: Any, measured: Sequence[Mapping[str, Any]]) -> None:
    twin = axes.twinx()
    twin.set_ylabel("top-1 on search images (%)", fontsize=9.5, labelpad=6, **text_style())
    twin.tick_params(colors=FAINT, labelsize=9, length=0, pad=5)
    for side in twin.spines.values():
        side.set_visible(False)
    for color, marker, name in ((SERIES[2], "o", "largest"), (SERIES[3], "s", "smallest")):
        points = [(one["epoch"], one[name]["top1"]) for one in measured]
        style: dict[str, Any] = {"color": color, "linewidth": 1.2, "marker": marker, "markersize": 4}
        twin.plot(*zip(*points, strict=True), **style)
        axes.plot([], [], **style, label=f"top-1, {name}")


def _draw_phases(axes: Sequence[Any], records: Sequence[Mapping[str, Any]], epochs: np.ndarray) -> None:
    names = [record.get("phase") for record in records]
    starts = [place for place, name in enumerate(names) if not place or name != names[place - 1]]
    ends = [*(epochs[start - 1] for start in starts[1:]), epochs[-1]]
    begin = 0.0
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        name = names[start]
        for one in axes:
            one.set_xlim(0, epochs[-1])
            if name is not None:
                one.axvspan(begin, end, color=SERIES[0], alpha=0.10 if number % 2 else 0.03, linewidth=0, zorder=0)
        if name is not None:
            label_phase(axes[0], begin, end, name)
        begin = end


@dataclass(frozen=True, kw_only=True)
class PhaseCurve:
    """What a picture shows of a phase.

    Attributes:
        name: Of the phase.
        epochs: Where it begins and ends.
        at: Epochs, ascending.
        lr: The learning rate at each of them.
        scale: The factor of the students' gradients at each of them; None where there are no students.
        networks: Archs that a step trains.
    """

    name: str
    epochs: tuple[float, float]
    at: Sequence[float]
    lr: Sequence[float]
    scale: Sequence[float] | None
    networks: int


def plot_timeline(phases: Sequence[PhaseCurve], path: str | os.PathLike[str], *, title: str) -> Path:
    """Write a PNG: the learning rate above, the students' scale below, a band for each phase.

    Args:
        phases: In their order.
        path: Where to; ends in ``.png``.
        title: Above the picture.

    Raises:
        ValueError: There is no phase, or the path is not a PNG's.
    """
    path = check_png(path)
    if not phases:
        raise ValueError("there is no phase to draw")
    figure = new_figure(title, "each band is a phase; below its name, how many networks a step trains")
    top, between = 0.775, 0.13
    middle = BOTTOM + (top - BOTTOM) / 2
    above = new_axes(figure, "", "learning rate", top=top)
    above.set_position((LEFT, middle + between / 2 - 0.03, RIGHT - LEFT, top - middle - between / 2 + 0.03))
    below = new_axes(figure, "epochs", "scale of students' gradients", top=middle - between / 2 + 0.03)
    end = phases[-1].epochs[1]
    for number, phase in enumerate(phases):
        for axes in (above, below):
            axes.axvspan(*phase.epochs, color=SERIES[0], alpha=0.10 if number % 2 else 0.03, linewidth=0, zorder=0)
            axes.set_xlim(0, end)
        above.plot(phase.at, phase.lr, color=SERIES[0], linewidth=1.8, zorder=3)
        if phase.scale is not None:
            below.plot(phase.at, phase.scale, color=SERIES[1], linewidth=1.8, zorder=3)
        label_phase(above, *phase.epochs, phase.name, str(phase.networks))
    above.set_ylim(bottom=0)
    below.set_ylim(-0.03, 1.05)
    return write_picture(figure, path)
