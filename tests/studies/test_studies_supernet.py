"""Studies of real supernets, trained for two steps: resumed, measured further, and changed by nothing around them."""

import json
import re
import sys

import pytest
import torch
from safetensors.torch import load_file

from alphanet_plugin.config import StudyConfig, from_dict
from alphanet_plugin.studies import Study
from alphanet_plugin.studies.cell_kind import CellFile
from alphanet_plugin.training import latest_checkpoint


def study(folder, **changes):
    values = {
        "output": str(folder),
        "seeds": [0, 1],
        "base": "configs/us_mobilenet_v1_digits.yaml",
        "set": {
            "space": {"resolutions": [16]},
            "data": {"image_size": 16, "search_fraction": 0.5},
            # 719 images: 2 steps
            "training": {"epochs": 1, "warmup_epochs": 0, "batch_size": 256, "save_every": 1},
            "sampler": {"num_random": 1},
            "evaluation": {"calibration_batches": 1, "search_calibration_batches": 1},
            "search": {"num_random": 2, "num_parents": 1, "num_crossovers": 1, "num_mutations": 1, "num_rounds": 2},
        },
        "arms": [{"name": "none", "set": {"kd": {"name": "none"}}}, {"name": "KL", "set": {"kd": {"name": "kl"}}}],
        "baseline": "none",
        "measure": ["0.25x"],
        "random_subnets": 2,
        "regimes": 2,
        "curve_epochs": 1,
        "workers": 1,
        "pictures": [{"kind": "curves"}, {"kind": "boxes"}],
        **changes,
    }
    return Study(from_dict(StudyConfig, values))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two arms, two seeds, one process."""
    whole = study(tmp_path_factory.mktemp("whole"))
    assert whole.run() == []
    return whole


def cell_of(one, arm, seed):
    return next(cell for cell in one.cells if (cell.arm, cell.seed) == (arm, seed))


def file_of(one, cell):
    return CellFile(cell.folder, cell.identity, one.kind.complete)


def weights(cell):
    return load_file(latest_checkpoint(cell.folder / "checkpoints") / "model.safetensors")


def test_all_that_was_asked_for_is_there(finished):
    results = finished.results()
    assert [(cell.arm, cell.seed) for cell, _ in results.runs] == [("none", 0), ("KL", 0), ("none", 1), ("KL", 1)]
    for cell, outcome in results.runs:
        assert list(outcome.columns) == ["0.25x"]
        assert outcome.columns["0.25x"]["count"] == 360  # the test images
        assert [subnet["regime"] for subnet in outcome.random] == [0, 1]
        assert outcome.random[0]["count"] == 718  # the search images
        assert outcome.random[0]["mflops"] < outcome.random[1]["mflops"]
        (point,) = outcome.curve
        assert point["epoch"] == 1.0
        assert point["largest"]["count"] == 718
        assert outcome.seconds > 0
        kept = sorted(path.name for path in latest_checkpoint(cell.folder / "checkpoints").iterdir())
        assert kept == ["model.safetensors", "random_states_0.pkl", "run.json"]
    same = {tuple(subnet["mflops"] for subnet in outcome.random) for _, outcome in results.runs}
    assert len(same) == 1  # the same subnets in each run
    finished.write_report()
    assert [path.name for path in finished.pictures] == ["curves.png", "boxes.png"]
    assert finished.page is not None
    page = finished.page.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert [run["series"] for run in data["runs"]] == ["none", "KL", "none", "KL"]
    assert [subnet["preset"] for run in data["runs"] for subnet in run["subnets"]] == ["0.25x"] * 4
    assert all(run["curve"] and run["measured"] and "open_run" in run["load"] for run in data["runs"])


def test_a_curve_an_interruption_and_runs_before_it_change_nothing(finished, tmp_path):
    """The last of four runs, with a curve, against one alone, without one, stopped in its second step and resumed."""
    alone = study(tmp_path, curve_epochs=None, pictures=[{"kind": "boxes"}], random_subnets=2, keep_weights=False)
    whole, cell = cell_of(finished, "KL", 1), cell_of(alone, "KL", 1)
    assert cell.folder.name == whole.folder.name

    def stop(done, total):  # noqa: ARG001
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        alone.kind.run(cell, alone.config, file_of(alone, cell), stop)
    assert not alone.finished(cell)
    assert latest_checkpoint(cell.folder / "checkpoints").name == "step_00000001"

    alone.kind.train(cell.config, None, file_of(alone, cell), lambda done, total: None)  # noqa: ARG005
    found, expected = weights(cell), weights(whole)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)

    alone.kind.run(cell, alone.config, file_of(alone, cell), lambda done, total: None)  # noqa: ARG005
    assert alone.outcome(cell).columns == finished.outcome(whole).columns
    assert not (cell.folder / "checkpoints").exists()  # keep_weights: false
    _what_the_weights_are_gone_for_is_said(tmp_path)


def _what_the_weights_are_gone_for_is_said(folder):
    more = study(folder, curve_epochs=None, pictures=[], measure=["0.25x", "0.75x"], seeds=[1])
    (failure,) = more.run(only=["KL"])
    assert "did not keep its weights" in failure.error
    assert "1 subnets on the test images" in failure.error
    curve = study(folder, seeds=[1])
    (failure,) = curve.run(only=["KL"])
    assert "was trained with curve_epochs None, not 1" in failure.error


def test_more_subnets_are_measured_without_training(finished):
    more = study(finished.folder, seeds=[0], measure=["0.25x", "smallest", "0.75x"])
    cell = cell_of(more, "KL", 0)
    log = cell.folder / "log.jsonl"
    before = log.stat().st_mtime_ns, finished.outcome(cell_of(finished, "KL", 0)).columns["0.25x"]
    assert more.run(only=["KL"]) == []
    after = more.outcome(cell).columns
    assert (log.stat().st_mtime_ns, after["0.25x"]) == before
    assert after["smallest"] == after["0.25x"]


@pytest.mark.slow  # starts Python, and evaluates the presets
def test_a_launcher_trains_and_a_search_follows(tmp_path, finished):
    launched = study(
        tmp_path, launch=sys.executable, workers=None, search=True, seeds=[1], pictures=[{"kind": "pareto"}]
    )
    cell, whole = cell_of(launched, "KL", 1), cell_of(finished, "KL", 1)
    units = []
    assert launched.run(only=["KL"], on_progress=lambda done, total: units.append((done, total))) == []
    found, expected = weights(cell), weights(whole)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert len(launched.outcome(cell).searched) >= len(cell.measure)
    launched.write_report()
    assert [path.name for path in launched.pictures] == ["pareto.png"]
    assert json.loads((cell.folder / "result.json").read_text())["parts"]["curve"]["every"] == 1

    for command, message in ((f"{sys.executable} -c 'raise SystemExit(3)'", "status 3"), ("no-such", "cannot start")):
        again = study(tmp_path / "again", launch=command, seeds=[1])
        (failure,) = again.run(only=["KL"])
        assert message in failure.error
