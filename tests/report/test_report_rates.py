"""A search's trials as a table and as a picture."""

import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.report import RateTrial, plot_rates, rates_table

TRIALS = [
    RateTrial(number=0, lr=0.01, weight_decay=1e-5, top1=90.0),
    RateTrial(number=1, lr=0.1, weight_decay=1e-4, top1=None),
    RateTrial(number=2, lr=0.001, weight_decay=1e-6, top1=95.125, stopped_early=True),
]


def test_the_best_stands_first_and_nothing_is_hidden():
    lines = rates_table(TRIALS).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["2", "0", "1"]
    assert "95.12" in lines[2]
    assert "stopped early" in lines[2]
    assert lines[4].count("loss not finite") == 1
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_picture_is_whole(tmp_path, count):
    path = plot_rates(TRIALS[:count], tmp_path / "x/trials.png", title="a on b", subtitle="c")
    with Image.open(path) as picture:
        assert picture.size == (1200, 800)
    assert {file.name for file in path.parent.iterdir()} == {"trials.png", "trials.svg"}


def test_accuracy_is_the_colour(tmp_path):
    def picture(top1):
        trials = [*TRIALS, RateTrial(number=3, lr=0.03, weight_decay=1e-3, top1=top1)]
        with Image.open(plot_rates(trials, tmp_path / "a.png", title="t")) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    assert np.abs(picture(90.5) - picture(90.5)).max() == 0
    assert np.abs(picture(90.5) - picture(94.5)).max() > 50


def test_the_labels_lie_within_the_picture(tmp_path):
    close = [RateTrial(number=n, lr=0.01 + n / 1000, weight_decay=(10 + n) * 1e-6, top1=90.0 + n) for n in range(3)]
    path = "/home/somebody/a_long_way_down/" * 4 + "runs/distill/digits/model"
    for number, (trials, title) in enumerate(((TRIALS, "t"), (close, "t"), (close, f"{path} on digits"))):
        with Image.open(plot_rates(trials, tmp_path / f"{number}.png", title=title, subtitle=path * 2)) as image:
            pixels = np.asarray(image.convert("RGB"))
        for edge in (pixels[:, :4], pixels[:, -4:], pixels[:4], pixels[-4:]):
            assert (edge == 255).all()


def test_only_trials_that_diverged(tmp_path):
    assert plot_rates([TRIALS[1]], tmp_path / "a.png", title="t").is_file()


def test_none_at_all(tmp_path):
    with pytest.raises(ValueError, match="no trials"):
        plot_rates([], tmp_path / "a.png", title="t")
