"""Pictures of a study, from made-up outcomes."""

import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.config import PictureConfig, StudyConfig, from_dict
from alphanet_plugin.report.canvas import SERIES
from alphanet_plugin.studies.cell_kind import CellOutcome
from alphanet_plugin.studies.grid import Cell
from alphanet_plugin.studies.pictures import _seeds, draw_pictures, relative_accuracy
from alphanet_plugin.studies.results import StudyResults

ARMS = ["w/ KL", "w/o"]


def outcome(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    costs = np.sort(rng.uniform(10, 40, 12))
    return CellOutcome(
        columns={"a0": {"top1": 90.0 + shift}},
        random=[{"regime": n // 4, "mflops": 10.0 + n, "top1": 90.0 + n + shift + seed} for n in range(12)],
        searched=[{"mflops": float(c), "top1": 90 + c / 10 + shift} for c in costs],
        curve=[
            {"epoch": float(e), "smallest": {"top1": 50.0 + e + seed}, "largest": {"top1": 60.0 + e + shift}}
            for e in range(1, 5)
        ],
    )


def results(arms=ARMS, groups=("",), seeds=(0, 1)):
    runs = [
        (Cell(group, arm, seed, None, (), {}), outcome(seed, shift=number))
        for group in groups for number, arm in enumerate(arms) for seed in seeds
    ]  # fmt: skip
    return StudyResults(runs, [])


def study(tmp_path, **changes):
    kinds = ("pareto", "curves", "boxes", "relative")
    values = {
        "output": str(tmp_path), "title": "Study", "base": "x", "arms": [{"name": arm} for arm in ARMS],
        "baseline": "w/ KL", "search": True, "curve_epochs": 1, "random_subnets": 12, "regimes": 3,
        "pictures": [{"kind": kind} for kind in kinds], **changes,
    }  # fmt: skip
    return from_dict(StudyConfig, values)


def check(path):
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (1200, 800))
        colours = picture.convert("RGB").getcolors(1 << 20)
    assert len(colours) > 100  # drawn upon


def test_all_kinds(tmp_path):
    written = draw_pictures(study(tmp_path), results())
    assert [path.name for path in written] == ["pareto.png", "curves.png", "boxes.png", "relative.png"]
    for path in written:
        check(path)


def test_one_of_each_group_by_its_name(tmp_path):
    config = study(tmp_path, pictures=[{"kind": "boxes", "name": "figure4", "arms": ["w/o"]}])
    written = draw_pictures(config, results(groups=("MbV1 0.5x", "MbV2")))
    assert [path.name for path in written] == ["figure4_mbv1-0-5x.png", "figure4_mbv2.png"]


def test_what_is_there_is_drawn(tmp_path):
    """A study that is not finished: one seed of one arm, and nothing of the baseline."""
    written = draw_pictures(study(tmp_path), results(arms=["w/o"], seeds=(3,)))
    assert [path.name for path in written] == ["pareto.png", "curves.png", "boxes.png"]
    assert draw_pictures(study(tmp_path), StudyResults([], [])) == []


def test_ten_arms_fit_into_a_picture_and_eleven_are_refused(tmp_path):
    names = [f"clip {n}, alpha -1 and 1" for n in range(11)]
    arms = [{"name": name} for name in names]
    pictures = [{"kind": "boxes"}, {"kind": "relative"}]
    config = study(tmp_path, arms=arms[:10], baseline=names[0], pictures=pictures)
    for path in draw_pictures(config, results(arms=names[:10])):
        check(path)
    with pytest.raises(ValueError, match="at most 10 arms; name fewer than 11"):
        study(tmp_path, arms=arms, baseline=names[0], pictures=pictures)


def test_an_arm_looks_the_same_in_all_pictures_of_a_study(tmp_path):
    """Also while arms before it have no runs yet, and where a picture leaves some out."""
    names = ["w/ KL", "clip 3", "clip 5", "alpha 0"]
    pictures = [
        {"kind": "relative", "name": "6a", "arms": ["clip 3", "clip 5"]},
        {"kind": "relative", "name": "6b", "arms": ["alpha 0", "clip 5"]},
        {"kind": "pareto", "arms": ["clip 5"]},
        {"kind": "curves", "arms": ["alpha 0"]},
    ]
    config = study(tmp_path, arms=[{"name": name} for name in names], pictures=pictures)
    written = {path.stem: path for path in draw_pictures(config, results(arms=["w/ KL", "clip 5", "alpha 0"]))}
    shown = {"6a": {1}, "6b": {1, 2}, "pareto": {1}, "curves": {2}}  # of the three that are shown anywhere
    for name, places in shown.items():
        assert {n for n, color in enumerate(SERIES[:4]) if num_near(written[name], color) > 20} == places, name


def test_pictures_say_of_how_many_seeds():
    arms = {"a": {0: None}, "b": {0: None, 1: None, 4: None}, "c": {0: None, 1: None}}
    assert _seeds(arms) == "1 to 3 seeds"
    assert _seeds({"c": arms["c"]}) == "2 seeds"
    assert _seeds({"a": arms["a"]}) == "1 seed"


def num_near(path, color):
    """Pixels of about that colour."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return int((np.abs(pixels - list(bytes.fromhex(color[1:]))).max(axis=2) < 12).sum())


def test_relative_accuracy_is_of_the_best_paired_by_seed():
    arm = {seed: outcome(seed, shift=2.0 + seed) for seed in (0, 1, 5)}
    baseline = {seed: outcome(seed) for seed in (1, 0, 7)}
    assert relative_accuracy(arm, baseline) == [[2.0, 3.0]] * 3
    assert relative_accuracy(arm, {9: outcome(9)}) == []


def test_a_picture_needs_its_measurements(tmp_path):
    with pytest.raises(ValueError, match="kind curves needs curve_epochs"):
        study(tmp_path, curve_epochs=None)
    measured, groups = [{"kind": "measured"}], [{"name": "MbV1", "measure": ["0.25x"]}, {"name": "MbV2"}]
    with pytest.raises(ValueError, match="kind measured needs measure"):
        study(tmp_path, pictures=measured, groups=groups)
    groups[1]["measure"] = ["0.35x"]
    assert study(tmp_path, pictures=measured, groups=groups).pictures
    assert PictureConfig(kind="boxes").arms is None
