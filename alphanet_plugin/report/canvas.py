"""What every picture is drawn on: one size, one look, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WIDTH, HEIGHT, DPI = 1200, 800, 150  # pixels, pixels, pixels an inch

INK, FAINT, GRID = "#1b2733", "#66727f", "#e3e8ed"
SERIES = (
    "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#1b2733", "#8c96a0", "#882255", "#999933",
)  # fmt: skip
"""Colours of what is compared, in order: Okabe and Ito's (2008), which the colour-blind tell apart, and three more."""
MARKERS = "os^DvPX<>p"
"""Of points, in the same order."""
DISTINCT, HATCH, DASHES = 5, "////", (4, 1.5)
"""So many of the colours differ much; areas of the others are hatched, lines dashed."""
SERIES_ON_DARK = (
    "#3d9bd9", "#f0783c", "#1fbf92", "#f0b03a", "#de9cc1", "#8ccbf2", "#e6ebf0", "#8c96a0", "#c45a8a", "#b5b54a",
)  # fmt: skip
"""The same on a dark ground."""
FONT = "DejaVu Sans"  # comes with matplotlib
LEFT, BOTTOM, RIGHT = 0.085, 0.115, 0.97  # of the axes, shares of the picture


def check_png(path: str | os.PathLike[str]) -> Path:
    """The path; ValueError if it is not a PNG's."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"the picture is a PNG; {path.name!r} should end in .png")
    return path


MFLOPS = "MFLOPs (multiply-adds / 1e6)"
TOP1 = "top-1 accuracy (%)"
"""Labels of axes."""


def new_figure(title: str, subtitle: str, *, left: float = LEFT) -> Figure:
    """A figure of 1200 x 800 pixels with its title and a smaller line under it; pyplot is not touched.

    Lines that are too long, such as one with the path of a model, are set smaller, and then lose their middle.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    _fit(figure.text(left, 0.945, title, fontsize=14, fontweight="bold", va="center", **text_style()))
    _fit(figure.text(left, 0.895, subtitle, fontsize=9, va="center", **text_style(FAINT)))
    return figure


def _fit(text: Text) -> None:
    """Make a line end within the picture."""
    room = (RIGHT - text.get_position()[0]) * WIDTH
    for size in (12, 10, 9):
        if text.get_window_extent().width > room:
            text.set_fontsize(size)
    width = text.get_window_extent().width
    if width > room:
        line = text.get_text()
        end = int(len(line) * room / width) // 2 - 2
        text.set_text(f"{line[:end]} ... {line[-end:]}")


def new_axes(figure: Figure, xlabel: str, ylabel: str, *, top: float, left: float = LEFT, right: float = RIGHT) -> Axes:
    """Axes from `left` to `right` up to `top`, shares of the picture, with labels that name the unit."""
    axes = figure.add_axes((left, BOTTOM, right - left, top - BOTTOM), facecolor="white")
    axes.set_xlabel(xlabel, fontsize=9.5, labelpad=6, **text_style())
    axes.set_ylabel(ylabel, fontsize=9.5, labelpad=6, **text_style())
    axes.grid(True, color=GRID, linewidth=0.8, linestyle="-")
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=0, pad=5, labelfontfamily=FONT)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color("#b9c2cb")
    return axes


def label_phase(axes: Axes, begin: float, end: float, name: str, text: str = "") -> None:
    """Write a phase's name above its band, askew where the band is narrower than the name; `text` below it."""
    narrow = end - begin < 0.02 * len(name) * axes.get_xlim()[1]
    axes.text(
        (begin + end) / 2, 1.02, f"{name}\n{text}".rstrip(), transform=axes.get_xaxis_transform(), fontsize=8.5,
        ha="left" if narrow else "center", va="bottom", rotation=35 if narrow else 0, **text_style(FAINT),
    )  # fmt: skip


def text_style(color: str = INK) -> dict[str, Any]:
    """Keywords of matplotlib's texts."""
    return {"family": FONT, "color": color, "parse_math": False}


def legend_style() -> dict[str, Any]:
    """Keywords of matplotlib's legends."""
    return {
        "framealpha": 0.9, "edgecolor": "none", "facecolor": "white", "labelcolor": INK,
        "prop": {"family": FONT, "size": 9}, "handletextpad": 0.7, "borderpad": 0.7, "labelspacing": 0.6,
        "handlelength": 2.2,
    }  # fmt: skip


class Look(NamedTuple):
    """How one of the things that a picture compares is drawn: its colour, marker of points, hatch and dashes."""

    color: str
    marker: str
    hatch: str | None
    dashes: tuple[float, float] | None

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of matplotlib's lines."""
        return {"color": self.color, **({"dashes": self.dashes} if self.dashes else {})}


def looks(names: Sequence[str], among: Sequence[str] | None = None) -> dict[str, Look]:
    """How each is drawn.

    Args:
        names: What a picture compares.
        among: All that several pictures compare, so that each looks the same in all of them; by default `names`. If
            they are more than there are colours, each picture is by itself.

    Raises:
        ValueError: There are more names than colours.
    """
    if len(names) > len(SERIES):
        raise ValueError(f"a picture compares at most {len(SERIES)} things, not {len(names)}; give fewer")
    order = list(names if among is None or len(among) > len(SERIES) else among)
    places = {name: order.index(name) for name in names}
    return {
        name: Look(
            color=SERIES[place],
            marker=MARKERS[place],
            hatch=HATCH if place >= DISTINCT else None,
            dashes=DASHES if place >= DISTINCT else None,
        )
        for name, place in places.items()
    }


def draw_key(figure: Figure, named: Mapping[str, Look], *, areas: bool = False, top: float = 0.87) -> float:
    """Say which look is whose, in rows under `top`; returns where the axes may begin.

    Args:
        figure: The picture.
        named: Name -> look.
        areas: Whether areas are drawn in them, which are hatched, not lines with markers.
        top: Of the key, a share of the picture.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = list(named)
    handles = [
        Patch(facecolor="white" if look.hatch else look.color, edgecolor=look.color, hatch=look.hatch)
        if areas
        else Line2D([], [], **look.line, linewidth=2, marker=look.marker, markersize=5)
        for look in named.values()
    ]
    style = {**legend_style(), "borderpad": 0.0, "borderaxespad": 0.0, "columnspacing": 1.6}
    style["handlelength"] = 0.9 if areas else 2.4
    for columns in range(len(names), 0, -1):
        key = figure.legend(handles, names, loc="upper left", bbox_to_anchor=(LEFT, top), ncols=columns, **style)
        box = key.get_window_extent()
        if box.width <= (RIGHT - LEFT) * WIDTH or columns == 1:
            return top - box.height / HEIGHT - 0.025
        key.remove()
    return top


def write_picture(figure: Figure, path: Path) -> Path:
    """Write a PNG beside its place and rename it, and the same as SVG, with the suffix ``.svg``; returns `path`.

    Equal figures are equal files, byte for byte.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    picture, drawing = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # not savefig, which the caller's settings may crop or resize
    with rc_context({"svg.hashsalt": "alphanet", "svg.fonttype": "path"}):
        FigureCanvasSVG(figure).print_svg(drawing, metadata={"Date": None})
    for place, content in ((path, picture), (path.with_suffix(".svg"), drawing)):
        with atomic_file(place) as beside:
            beside.write_bytes(content.getvalue())
    return path
