"""A study around its runs: which are made, kept, shared and refused, and what is written."""

import csv
import json

import pytest
from stand_in import STEPS, StandIn

from alphanet_plugin.cli.main import main
from alphanet_plugin.config import StudyConfig, from_dict
from alphanet_plugin.errors import NonFiniteLossError, StudyError
from alphanet_plugin.runs import supernet_identity
from alphanet_plugin.studies import Study
from alphanet_plugin.studies.cell_kind import locked
from alphanet_plugin.studies.study import KINDS


@pytest.fixture
def kind(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setitem(KINDS, "supernet", stand_in)
    return stand_in


@pytest.fixture
def make(tmp_path):
    def study(**changes):
        values = {
            "output": str(tmp_path / "study"), "base": "configs/digits.yaml", "seeds": [0, 1, 2], "baseline": "w/ KL",
            "arms": [
                {"name": "w/ KL", "set": {"kd": {"name": "kl"}}},
                {"name": "w/o", "set": {"kd": {"name": "none"}}},
            ],
            "measure": ["a0", "a1"], "workers": 1,
        }  # fmt: skip
        return Study(from_dict(StudyConfig, {**values, **changes}))

    return study


def test_all_are_made_once_seed_by_seed(kind, make):
    units = []
    assert make().run(on_progress=lambda done, total: units.append((done, total))) == []
    assert kind.trained == [("kl", 0), ("none", 0), ("kl", 1), ("none", 1), ("kl", 2), ("none", 2)]
    assert units[0] == (1, 6 * STEPS)
    assert units[-1] == (6 * STEPS, 6 * STEPS)
    assert make().run() == []
    assert make().to_run() == []
    assert len(kind.trained) == len(kind.measured) == 6


def test_a_failing_run_is_named_and_does_not_stop_the_others(kind, make):
    kind.fail = {("kl", 1): NonFiniteLossError("the loss is nan"), ("none", 2): RuntimeError("out of\nmemory")}
    ended = []
    failures = make().run(on_done=lambda cell, error: ended.append((str(cell), error)))
    assert [(str(one.cell), one.error) for one in failures] == [
        ("w/ KL, seed 1", "the loss is nan"), ("w/o, seed 2", "RuntimeError: out of memory"),
    ]  # fmt: skip
    assert len(ended) == 6
    text = (failures[1].cell.folder / "error.txt").read_text()
    assert "Traceback" in text and "stand_in.py" in text  # noqa: PT018
    study = make()
    assert "Partial: not finished are w/ KL, seed 1; w/o, seed 2." in study.write_report()
    kind.fail = {}
    assert study.run() == []
    assert kind.trained[6:] == [("kl", 1), ("none", 2)]
    assert not (failures[1].cell.folder / "error.txt").exists()


def test_an_interrupted_study_goes_on(kind, make):
    kind.fail = {("none", 1): KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        make().run()
    assert len(kind.measured) == 3
    kind.fail = {}
    make().run()
    assert kind.trained[3:] == [("none", 1), ("none", 1), ("kl", 2), ("none", 2)]


def test_what_changes_is_another_run_and_is_said(kind, make):
    make().run()
    changed = make(set={"training": {"epochs": 7}})
    assert changed.write_index() == ["training.epochs of w/ KL, w/o"]
    assert len(changed.to_run()) == 6
    changed.run()
    assert len(kind.trained) == 12
    assert make().to_run() == []  # the old ones are still there
    index = (changed.folder / "runs" / "index.txt").read_text().splitlines()
    assert len(index) == 12
    assert index[0] == f"{make().cells[0].folder.name}  w/ KL, seed 0"


def test_what_does_not_change_the_weights_changes_no_run(kind, make):
    make().run()
    again = make(set={"training": {"save_every": 7}, "data": {"workers": 3}}, measure=["a0", "a1", "a2"], title="other")
    assert again.write_index() == []
    again.run()
    assert len(kind.trained) == 6
    assert len(kind.measured) == 12  # one more subnet of each


@pytest.mark.usefixtures("kind")
def test_studies_with_one_runs_folder_share_their_runs(make, tmp_path):
    runs = str(tmp_path / "runs")
    make(runs=runs).run()
    arms = [
        {"name": "KL again", "set": {"kd": {"name": "kl"}}},
        {"name": "T 2", "set": {"kd": {"name": "kl", "temperature": 2.0}}},
    ]
    other = make(runs=runs, output=str(tmp_path / "other"), arms=arms, baseline=None)
    assert [cell.arm for cell in other.to_run()] == ["T 2"] * 3


@pytest.mark.usefixtures("kind")
def test_a_result_of_another_run_or_damaged_is_refused(make):
    study = make()
    study.run()
    path = study.cells[0].folder / "result.json"
    content = json.loads(path.read_text())
    content["identity"]["training"]["lr"] = 9.0
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"other values of training\.lr; delete"):
        make().to_run()
    path.write_text("{")
    with pytest.raises(StudyError, match=r"cannot read .*delete .* to make its run anew"):
        make().to_run()


@pytest.mark.usefixtures("kind")
def test_an_identity_of_fewer_keys_is_filled_up(make):
    study = make()
    study.run()
    path = study.cells[0].folder / "result.json"
    content = json.loads(path.read_text())
    content["identity"] = {**supernet_identity(study.cells[0].config, defaults=True), "sampler": {"name": "sandwich"}}
    del content["identity"]["training"]["label_smoothing"]
    path.write_text(json.dumps(content))
    assert make().to_run() == []


@pytest.mark.usefixtures("kind")
def test_a_run_that_another_process_is_at_is_left_alone(make):
    study = make()
    with locked(study.cells[0].folder):
        failures = study.run()
    assert [str(one.cell) for one in failures] == ["w/ KL, seed 0"]
    assert "another process is at the run" in failures[0].error
    assert study.run() == []


@pytest.mark.usefixtures("kind")
def test_report(make):
    study = make(title="Two ways")
    study.run()
    text = study.write_report()
    assert text == study.table.read_text()
    assert text.startswith("# Two ways\n")
    # top-1 is 90 + seed + letters of the loss's name, and one more for a1: KL 92 to 94, none 94 to 96
    assert "| w/ KL | 93.00 ± 1.00 | 94.00 ± 1.00 | 93.50 ± 1.00 |   3 |" in text
    assert "| w/o | +2.00 [+2.00, +2.00]* | +2.00 [+2.00, +2.00]* | +2.00 [+2.00, +2.00]* |  < 0.001 |" in text
    assert "6 of 6 runs, seeds 0, 1, 2" in text
    assert "not corrected for the many comparisons" in text
    rows = list(csv.DictReader(study.table.with_suffix(".csv").read_text().splitlines()))
    assert [(row["arm"], row["column"], row["mean"]) for row in rows[:3]] == [
        ("w/ KL", "a0", "93.0"), ("w/ KL", "a1", "94.0"), ("w/ KL", "mean", "93.5"),
    ]  # fmt: skip
    results = json.loads((study.folder / "results.json").read_text())
    assert len(results["runs"]) == 6
    assert results["missing"] == []
    assert results["machine"]["cores"] >= 1
    assert results["table"][-1]["difference"]["significant"] is True


def test_command(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "s.yaml"
    file.write_text(
        "output: out\nseeds: [0, 1]\nbase: configs/digits.yaml\nmeasure: [a0]\nworkers: 1\nbaseline: KL\n"
        "arms:\n- {name: KL, set: {kd: {name: kl}}}\n- {name: none, set: {kd: {name: none}}}\n"
    )
    assert main(["study", "s.yaml", "--dry-run"]) == 0
    assert "4 runs, 4 different, 4 to make" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(["study", "s.yaml", "--only", "KL"]) == 0
    assert "2 of 4 runs" in capsys.readouterr().out
    kind.fail = {("none", 1): RuntimeError("boom")}
    assert main(["study", "s.yaml"]) == 2
    captured = capsys.readouterr()
    assert "[1/2] none, seed 0: done" in captured.out
    assert "1 run failed: none, seed 1 (RuntimeError: boom)" in captured.err
    assert "To go on, run the same command again" in captured.err  # with whatever --set it had
    assert "3 of 4 runs" in captured.out  # the table of what there is
    trained = len(kind.trained)
    assert main(["study", "s.yaml", "--report-only"]) == 0
    assert len(kind.trained) == trained
    assert main(["study", "s.yaml", "--only", "kl"]) == 2
    assert "--only 'kl' is no arm of this study; did you mean 'KL'?" in capsys.readouterr().err
