"""A run's learning rate and its students' scale over its phases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .canvas import LEFT, RIGHT, SERIES, check_png, label_phase, new_axes, new_figure, write_picture

_TOP, _BETWEEN = 0.775, 0.13


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
    middle = 0.115 + (_TOP - 0.115) / 2
    above = new_axes(figure, "", "learning rate", top=_TOP)
    above.set_position((LEFT, middle + _BETWEEN / 2 - 0.03, RIGHT - LEFT, _TOP - middle - _BETWEEN / 2 + 0.03))
    below = new_axes(figure, "epochs", "scale of students' gradients", top=middle - _BETWEEN / 2 + 0.03)
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
    write_picture(figure, path)
    return path
