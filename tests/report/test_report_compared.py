"""Pictures that compare recipes: what they show, and what they refuse."""

import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.report import (
    DivergenceExample,
    plot_boxes,
    plot_costs,
    plot_curves,
    plot_divergences,
    plot_fronts,
    plot_relative,
)
from alphanet_plugin.report.canvas import SERIES
from alphanet_plugin.report.pareto_plot import _front, mean_front

RUNS = {"KL": [[(10.0, 90.0), (20.0, 92.0)], [(12.0, 91.0), (18.0, 93.0)]], "none": [[(11.0, 88.0), (30.0, 89.0)]]}
CURVES = {"KL": [[(1.0, 50.0), (2.0, 60.0)], [(1.0, 52.0), (2.0, 61.0)]], "none": [[(1.0, 40.0), (2.0, 45.0)]]}
BOXES = {"KL": [[90.0, 91.0, 92.0], [93.0]], "none": [[], [89.0, 90.0]]}
EXAMPLE = DivergenceExample("1", [0.5, 0.5], [0.9, 0.1], [0.3, 0.2, 0.5])
DRAW = {
    "fronts": lambda path: plot_fronts(RUNS, path, title="t", subtitle="s"),
    "curves": lambda path: plot_curves({"smallest": CURVES, "largest": CURVES}, path, title="t"),
    "boxes": lambda path: plot_boxes(["10 to 20", "20 to 30"], BOXES, path, title="t"),
    "relative": lambda path: plot_relative(["10 to 20", "20 to 30"], BOXES, path, title="t"),
    "divergences": lambda path: plot_divergences([-1.0, 0.0, 1.0], [EXAMPLE, EXAMPLE], path, title="t"),
}


def near(path, color, tolerance=12):
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (1200, 800))
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return int((np.abs(pixels - wanted).max(axis=2) < tolerance).sum())


@pytest.mark.parametrize("name", DRAW)
def test_a_png_of_1200_by_800_that_shows_both(name, tmp_path):
    path = DRAW[name](tmp_path / "new" / "p.png")
    assert all(near(path, color) > 50 for color in SERIES[:2])
    assert near(path, SERIES[2]) == 0
    assert {file.name for file in path.parent.iterdir()} == {"p.png", "p.svg"}


@pytest.mark.parametrize("name", DRAW)
def test_another_kind_of_file_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"should end in \.png"):
        DRAW[name](tmp_path / "p.pdf")


def test_fronts_and_their_mean():
    front = _front([(20.0, 91.0), (10.0, 90.0), (15.0, 89.0), (10.0, 88.0), (30.0, 91.0)])
    assert front.tolist() == [[10.0, 90.0], [20.0, 91.0]]
    other = _front([(12.0, 80.0), (40.0, 99.0)])
    mean = mean_front([front, other], right=40.0)
    assert mean[0].tolist() == [12.0, 85.0]  # where both have begun
    assert mean[-1].tolist() == [40.0, 95.0]
    at_20 = mean[np.searchsorted(mean[:, 0], 20.0, side="right") - 1 : np.searchsorted(mean[:, 0], 20.0) + 1, 1]
    assert set(at_20) <= {85.0, 85.5}


def test_what_cannot_be_compared_is_refused(tmp_path):
    path = tmp_path / "p.png"
    with pytest.raises(ValueError, match="there is no front"):
        plot_fronts({"KL": []}, path, title="t")
    with pytest.raises(ValueError, match="there is no curve"):
        plot_curves({"smallest": {"KL": []}}, path, title="t")
    with pytest.raises(ValueError, match="runs of 'KL' were measured at different epochs"):
        plot_curves({"smallest": {"KL": [[(1.0, 2.0)], [(2.0, 2.0)]]}}, path, title="t")
    with pytest.raises(ValueError, match="'KL' has 1 regimes, not 2"):
        plot_boxes(["a", "b"], {"KL": [[1.0]]}, path, title="t")
    with pytest.raises(ValueError, match="there is no subnet"):
        plot_relative(["a"], {"KL": [[]]}, path, title="t")
    with pytest.raises(ValueError, match="a divergence for every alpha"):
        plot_divergences([0.0], [EXAMPLE], path, title="t")
    with pytest.raises(ValueError, match="at most 10 things, not 11"):
        plot_boxes(["a"], {str(n): [[1.0]] for n in range(11)}, path, title="t")
    assert not path.exists()


@pytest.mark.parametrize("draw", [plot_boxes, plot_relative])
def test_the_second_half_of_many_is_told_apart_by_more_than_hue(draw, tmp_path, monkeypatch):
    hatches = []
    monkeypatch.setattr(
        "alphanet_plugin.report.regime_plot.write_picture",
        lambda figure, _: hatches.extend(patch.get_hatch() for axes in figure.axes for patch in axes.patches),
    )
    draw(["a"], {str(n): [[90.0, 91.0, 92.0]] for n in range(10)}, tmp_path / "p.png", title="t")
    assert [bool(hatch) for hatch in hatches] == [False] * 5 + [True] * 5


@pytest.mark.parametrize("kind", ["curve", "pareto"])
def test_lines_differ_by_more_than_their_colour(kind, tmp_path, monkeypatch):
    drawn = set()

    def take(figure, _):
        lines = [line for axes in figure.axes for line in axes.get_lines() if line.get_marker() != "None"]
        drawn.update((line.get_marker(), line.get_linestyle()) for line in lines)

    monkeypatch.setattr(f"alphanet_plugin.report.{kind}_plot.write_picture", take)
    runs = {str(n): [[(1.0, 50.0 + n), (2.0, 60.0 + n)]] for n in range(10)}
    if kind == "curve":
        plot_curves({"smallest": runs}, tmp_path / "p.png", title="t")
    else:
        plot_fronts(runs, tmp_path / "p.png", title="t")
    assert len(drawn) == 10
    assert {style for _, style in drawn} == {"-", "--"}


def test_labels_of_equal_runs_stand_apart(tmp_path, monkeypatch):
    """Names of runs that cost and reach the same, inside the picture, with a line to the dot where they are far."""
    boxes = []

    def take(figure, _):
        (axes,) = figure.axes
        boxes.extend(text.get_window_extent() for text in axes.texts)
        boxes.append(axes.get_window_extent())

    monkeypatch.setattr("alphanet_plugin.report.cost_plot.write_picture", take)
    runs = {f"a run of some length, number {n}": (1.0, 60.0, 70.0, 75.0) for n in range(4)}
    plot_costs(runs, tmp_path / "p.png", title="t")
    *texts, inside = boxes
    assert len(texts) == 4
    for number, box in enumerate(texts):
        assert not any(box.overlaps(other) for other in texts[:number])
        assert inside.x0 <= box.x0 < box.x1 <= inside.x1


def test_one_epoch_has_one_tick(tmp_path, monkeypatch):
    ticks = []
    monkeypatch.setattr(
        "alphanet_plugin.report.curve_plot.write_picture",
        lambda figure, _: ticks.extend(axes.get_xticks().tolist() for axes in figure.axes),
    )
    plot_curves({"smallest": {"KL": [[(1.0, 50.0)]]}}, tmp_path / "p.png", title="t")
    assert ticks == [[1.0]]
