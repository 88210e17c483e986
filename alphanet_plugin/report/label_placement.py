"""Where labels of points go so that they cover neither each other nor what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

Floats = NDArray[np.float64]

_ANGLES = np.deg2rad(np.arange(0, 360, 22.5))
_GAPS = (11.0, 17.0, 26.0, 40.0, 58.0)  # free space between point and label, in pixels of a 1200 x 800 picture
_SWEEPS = 4
_FAR = 20.0  # pixels from which on one asks whose label it is


def move_labels(axes: Axes, texts: Sequence[Text], anchors: Floats, marks: Floats, dots: Floats) -> None:
    """Move texts, which are centred, to where `place_labels` wants them; a thin line leads to one that is far off.

    Args:
        axes: With their final limits.
        texts: Labels.
        anchors: The labelled points (n, 2), like all that follow in the units of the axes.
        marks: As of `place_labels`.
        dots: As of `place_labels`.
    """
    to_pixels, to_data = axes.transData.transform, axes.transData.inverted().transform
    sizes = np.asarray([[box.width, box.height] for box in (text.get_window_extent() for text in texts)])
    bounds = axes.get_window_extent().get_points()
    centres = place_labels(to_pixels(anchors), sizes, to_pixels(marks), to_pixels(dots), bounds)
    for text, centre, anchor, size in zip(texts, centres, to_pixels(anchors), sizes, strict=True):
        x, y = to_data(centre)
        text.set_position((x, y))
        edge = centre + np.clip(anchor - centre, -size / 2, size / 2)
        if np.hypot(*(edge - anchor)) > _FAR:
            axes.plot(*to_data(np.stack([edge, anchor])).T, color=text.get_color(), linewidth=0.8, alpha=0.7, zorder=4)


def place_labels(anchors: Floats, sizes: Floats, marks: Floats, dots: Floats, bounds: Floats) -> Floats:
    """Centres (n, 2) of labels, all in pixels.

    Each label tries places around its anchor and takes the cheapest: overlap with other labels costs most, then
    `marks`, then `dots`, then distance. A few sweeps let earlier labels make room for later ones. Deterministic.

    Args:
        anchors: The labelled points (n, 2); labels keep off all of them.
        sizes: Width and height of each label (n, 2).
        marks: Points (m, 2) that a label should not cover, such as the course of a line.
        dots: Points (k, 2) that a label may cover if need be.
        bounds: Lower left and upper right corner (2, 2); labels stay within.
    """
    marks = np.concatenate([marks.reshape(-1, 2), anchors])
    options = [_places(anchor, size) for anchor, size in zip(anchors, sizes, strict=True)]
    fixed = [
        cost + _fixed_cost(places, size, marks, dots, bounds)
        for (places, cost), size in zip(options, sizes, strict=True)
    ]
    centres = np.full(anchors.shape, np.inf)
    for _ in range(_SWEEPS):
        for index, (places, _cost) in enumerate(options):
            others = np.arange(len(anchors)) != index
            overlap = _overlaps(places, sizes[index], centres[others], sizes[others])
            centres[index] = places[np.argmin(fixed[index] + 300.0 * overlap)]
    return centres


def _places(anchor: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Centres (places, 2) of a label around its anchor, and what each costs (places,)."""
    gap, angle = (grid.ravel() for grid in np.meshgrid(_GAPS, _ANGLES))
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # The label's edge, not its centre, lies `gap` away from the anchor.
    reach = 1 / np.max(np.abs(direction) / (size / 2), axis=1)
    centres = anchor + direction * (reach + gap)[:, None]
    upper_left = np.cos(angle - np.deg2rad(112.5))  # above a front that rises to the right there is nothing
    return centres, gap / 4 - upper_left


def _fixed_cost(places: Floats, size: Floats, marks: Floats, dots: Floats, bounds: Floats) -> Floats:
    outside = np.maximum(bounds[0] - (places - size / 2), 0) + np.maximum(places + size / 2 - bounds[1], 0)
    return (
        8.0 * _covered(places, size + 10, marks) + 2.0 * _covered(places, size + 4, dots) + 100.0 * outside.sum(axis=1)
    )


def _covered(places: Floats, size: Floats, points: Floats) -> NDArray[np.int64]:
    """How many points (n, 2) lie under a label at each place (places,)."""
    inside = np.abs(points[None] - places[:, None]) < size / 2
    return inside.all(axis=2).sum(axis=1)


def _overlaps(places: Floats, size: Floats, centres: Floats, sizes: Floats) -> NDArray[np.int64]:
    """With how many labels a label at each place (places,) would overlap."""
    margin = np.asarray([4.0, 2.0])
    overlap = np.abs(centres[None] - places[:, None]) < (sizes[None] + size) / 2 + margin
    return overlap.all(axis=2).sum(axis=1)
