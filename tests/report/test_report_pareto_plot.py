import os
import subprocess
import sys
from dataclasses import dataclass, field
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.report import pareto_plot, plot_pareto
from alphanet_plugin.report.label_placement import place_labels


@dataclass
class Subnet:
    mflops: float
    top1: float
    metrics: dict = field(init=False)

    def __post_init__(self):
        self.metrics = {"top1": self.top1, "top5": 99.0}


RNG = np.random.default_rng(0)
POINTS = [Subnet(m, 90 + 8 * (1 - np.exp(-m / 20)) - RNG.exponential()) for m in RNG.uniform(10, 60, 150)]
PRESETS = {f"a{n}": Subnet(12 + 7 * n, 91 + n) for n in range(7)}


@pytest.fixture
def figures(monkeypatch):
    """The figures that are written, to look at what they hold."""
    written = []
    write = pareto_plot.write_picture
    monkeypatch.setattr(
        pareto_plot, "write_picture", lambda figure, path: (written.append(figure), write(figure, path))[1]
    )
    return written


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def near(image, color, tolerance=12):
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return int((np.abs(image - wanted).max(axis=2) < tolerance).sum())


def test_a_png_of_1200_by_800_that_shows_all_groups(tmp_path):
    path = plot_pareto(POINTS, tmp_path / "new" / "pareto.png", presets=PRESETS)
    assert path.read_bytes().startswith(b"\x89PNG")
    image = pixels(path)
    assert image.shape == (800, 1200, 3)
    for color in (pareto_plot._FRONT, pareto_plot._PRESET, pareto_plot._PRESET_TEXT):
        assert near(image, color) > 100
    assert {file.name for file in path.parent.iterdir()} == {"pareto.png", "pareto.svg"}


def test_the_same_as_svg_beside_it_byte_for_byte(tmp_path):
    for name in ("one.png", "two.png"):
        plot_pareto(POINTS, tmp_path / name, presets=PRESETS, title="digits")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two
    assert ElementTree.fromstring(one).tag == "{http://www.w3.org/2000/svg}svg"


def test_what_is_not_given_is_not_drawn(tmp_path, figures):
    image = pixels(plot_pareto(POINTS, tmp_path / "pareto.png"))
    assert near(image, pareto_plot._PRESET) == 0
    plot_pareto([], tmp_path / "pareto.png", presets=PRESETS)
    legends = [[text.get_text() for text in figure.axes[0].get_legend().get_texts()] for figure in figures]
    assert legends == [["150 evaluated subnets, first to last", "Pareto front"], ["Pareto front", "presets"]]


def test_words_are_in_the_picture(tmp_path, figures):
    plot_pareto(
        POINTS, tmp_path / "p.png", presets={**PRESETS, "cost $5 and $6": POINTS[1]},
        title="A $title$", ylabel="top-1 accuracy on digits (%)",
    )  # fmt: skip
    axes = figures[0].axes[0]
    assert [text.get_text() for text in figures[0].texts] == ["A $title$", ""]
    assert [text.get_text() for text in axes.texts] == [*PRESETS, "cost $5 and $6"]
    assert axes.get_xlabel() == "MFLOPs (multiply-adds / 1e6)"
    assert axes.get_ylabel() == "top-1 accuracy on digits (%)"


def test_every_point_is_within_the_axes_and_none_under_the_legend(tmp_path, figures):
    flat = [Subnet(m, 97 + RNG.normal()) for m in RNG.uniform(10, 60, 300)]
    plot_pareto(flat, tmp_path / "p.png")
    axes = figures[0].axes[0]
    box = axes.get_legend().get_window_extent()
    places = axes.transData.transform([(p.mflops, p.top1) for p in flat])
    assert not box.count_contains(places)
    assert axes.get_window_extent().count_contains(places) == len(flat)


def test_labels_do_not_overlap(tmp_path, figures):
    crowd = {f"preset-{n}": Subnet(30 + n / 10, 95 + n / 20) for n in range(8)}
    plot_pareto(POINTS, tmp_path / "p.png", presets=crowd)
    axes = figures[0].axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 8
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)
    markers = axes.transData.transform([(subnet.mflops, subnet.top1) for subnet in crowd.values()])
    assert all(box.count_contains(markers) == 0 for box in boxes)
    inside = axes.get_window_extent()
    assert all(inside.contains(*corner) for box in boxes for corner in box.corners())


def test_the_front_is_the_steps_of_the_best_so_far(tmp_path, figures):
    points = [Subnet(20, 91), Subnet(10, 90), Subnet(10, 89), Subnet(30, 90.5), Subnet(40, 92), Subnet(50, 92)]
    plot_pareto(points, tmp_path / "p.png")
    line = figures[0].axes[0].lines[0].get_xydata()
    assert line.tolist() == [[10, 90], [20, 90], [20, 91], [40, 91], [40, 92], [50, 92]]


def test_a_preset_better_than_every_point_is_on_the_front(tmp_path, figures):
    plot_pareto([Subnet(10, 90), Subnet(20, 95)], tmp_path / "p.png", presets={"a0": Subnet(12, 94)})
    assert [12, 94] in figures[0].axes[0].lines[0].get_xydata().tolist()


def test_few_points_far_below_do_not_flatten_the_rest(tmp_path, figures):
    points = [*POINTS, Subnet(30, 10.0), Subnet(50, 12.0)]
    plot_pareto(points, tmp_path / "p.png")
    axes = figures[0].axes[0]
    assert axes.get_ylim()[0] > 70
    assert "2 of them below" in axes.get_legend().get_texts()[1].get_text()
    shown = sum(len(collection.get_offsets()) for collection in axes.collections[:2])
    assert shown == len(points)


@pytest.mark.parametrize("points", [[Subnet(10, 50)], [Subnet(10, 50), Subnet(10, 50)], [Subnet(5, 0), Subnet(9, 0)]])
def test_degenerate_searches_are_drawn(tmp_path, points):
    path = plot_pareto(points, tmp_path / "p.png", presets={"a0": points[0]})
    assert near(pixels(path), pareto_plot._PRESET) > 30


def test_what_cannot_be_drawn_is_refused_and_the_old_picture_stays(tmp_path):
    path = plot_pareto(POINTS, tmp_path / "p.png")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="no subnet to plot"):
        plot_pareto([], path)
    with pytest.raises(ValueError, match="not finite"):
        plot_pareto([Subnet(1, float("nan"))], path)
    with pytest.raises(ValueError, match=r"should end in \.png"):
        plot_pareto(POINTS, tmp_path / "p.jpg")
    assert path.read_bytes() == before


def test_a_failing_write_leaves_the_old_picture(tmp_path, monkeypatch):
    path = plot_pareto(POINTS, tmp_path / "p.png")
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        plot_pareto(POINTS[:5], path)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"p.png", "p.svg"}


def test_the_callers_settings_neither_change_nor_matter(tmp_path):
    plain = plot_pareto(POINTS, tmp_path / "plain.png", presets=PRESETS)
    ours = {"savefig.bbox": "tight", "savefig.dpi": 40, "figure.facecolor": "black", "font.family": "monospace"}
    with matplotlib.rc_context(ours):
        before = dict(matplotlib.rcParams)
        path = plot_pareto(POINTS, tmp_path / "p.png", presets=PRESETS)
        assert dict(matplotlib.rcParams) == before
    assert (pixels(path) == pixels(plain)).all()


def test_pyplot_is_never_imported(tmp_path):
    code = """
import sys, types
package = types.ModuleType("alphanet_plugin")  # without the timm entries, which take seconds to import
package.__path__ = [sys.argv[2]]
sys.modules["alphanet_plugin"] = package
from alphanet_plugin.report import plot_pareto
heavy = [name for name in ("matplotlib", "torch", "rich") if name in sys.modules]
assert not heavy, heavy
point = types.SimpleNamespace(mflops=1.0, metrics={"top1": 50.0})
plot_pareto([point], sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
"""
    package = os.path.dirname(os.path.dirname(pareto_plot.__file__))
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "p.png"), package], check=True)


def test_placed_labels_keep_clear_where_there_is_room():
    anchors = np.asarray([[500.0, 500.0], [505.0, 500.0], [510.0, 505.0]])
    sizes = np.asarray([[60.0, 20.0]] * 3)
    line = np.stack([np.arange(0.0, 1000.0, 5), np.arange(0.0, 1000.0, 5)], axis=1)
    bounds = np.asarray([[0.0, 0.0], [1000.0, 1000.0]])
    centres = place_labels(anchors, sizes, line, np.empty((0, 2)), bounds)
    for index, centre in enumerate(centres):
        assert not (np.abs(np.concatenate([line, anchors]) - centre) < sizes[index] / 2).all(axis=1).any()
        others = np.delete(centres, index, axis=0)
        assert (np.abs(others - centre) >= sizes[index]).any(axis=1).all()
    assert (place_labels(anchors, sizes, line, np.empty((0, 2)), bounds) == centres).all()


def test_labels_at_the_edge_stay_within():
    bounds = np.asarray([[0.0, 0.0], [1000.0, 800.0]])
    corners = np.asarray([[0.0, 0.0], [1000.0, 0.0], [0.0, 800.0], [1000.0, 800.0]])
    sizes = np.asarray([[80.0, 20.0]] * 4)
    centres = place_labels(corners, sizes, np.empty((0, 2)), np.empty((0, 2)), bounds)
    assert (centres - sizes / 2 >= bounds[0]).all()
    assert (centres + sizes / 2 <= bounds[1]).all()


def test_another_cost_is_drawn_along_its_own_axis(tmp_path, figures):
    plot_pareto(POINTS, tmp_path / "p.png", cost=lambda point: point.mflops / 10, xlabel="latency (ms)")
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == "latency (ms)"
    left, right = axes.get_xlim()
    assert left < min(point.mflops for point in POINTS) / 10 < max(point.mflops for point in POINTS) / 10 < right < 10


def test_presets_at_one_place_are_one_mark_with_all_names():
    from alphanet_plugin.report.pareto_plot import _by_place
    from alphanet_plugin.search import Evaluated
    from alphanet_plugin.spaces import Arch

    a, b, c = (
        Evaluated(Arch({"resolution": n}), mflops, {"top1": 90.0}) for n, mflops in ((1, 5.0), (2, 5.0), (3, 6.0))
    )
    assert list(_by_place({"a0": a, "a1": b, "a2": c}, None)) == ["a0, a1", "a2"]
