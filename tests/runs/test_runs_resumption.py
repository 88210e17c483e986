"""--resume-from: a run goes on under a changed rate on purpose, and its history says so."""

import json

import pytest

from alphanet_plugin.cli.main import main
from alphanet_plugin.errors import CheckpointError, ConfigError
from alphanet_plugin.runs import RunFolder
from alphanet_plugin.runs.training_run import find_resumption

SET = ["training.epochs=1", "training.warmup_epochs=0", "training.batch_size=256", "training.save_every=2",
       "training.keep_checkpoints=9", "space.resolutions=[16]", "data.image_size=16"]  # fmt: skip


def train(output, *more, options=()):
    overrides = [word for value in (f"output={output}", *SET, *more) for word in ("--set", value)]
    return main(["train", "--config", "configs/us_mobilenet_v2_digits.yaml", *options, *overrides])


def steps(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def test_the_advice_for_a_loss_that_is_not_finite_works(tmp_path, capsys):
    assert train(tmp_path / "diverged", "training.lr=1.0e+20", "training.clip_value=null") == 2
    assert "by adding --resume-from CHECKPOINT --set training.lr=..." in capsys.readouterr().err
    run = tmp_path / "run"
    assert train(run, "training.lr=0.02") == 0
    before = steps(run)
    first, last = sorted((run / "checkpoints").iterdir())
    last.rename(tmp_path / "last")  # as if it had stopped after the first checkpoint
    capsys.readouterr()
    assert train(run, "training.lr=0.01") == 2  # by itself, another rate is another run
    refused = capsys.readouterr().err
    assert "with other values of training.lr;" in refused
    assert f"go on under these on purpose with --resume-from {first}" in refused
    assert train(run, "training.lr=0.01", options=["--resume-from", str(first)]) == 0
    (record,) = [json.loads(line) for line in (run / "resumed.jsonl").read_text().splitlines()]
    assert (record["step"], record["from"], record["changed"]) == (2, str(first), {"training.lr": [0.02, 0.01]})
    after = steps(run)
    assert after[:2] == before[:2]
    assert [one["lr"] for one in after[2:]] == [pytest.approx(one["lr"] / 2) for one in before[2:]]


def test_a_run_goes_on_in_another_folder(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train(first, "training.lr=0.01") == 0
    assert train(second, "training.lr=0.02", "training.epochs=2", options=["--resume-from", str(first)]) == 0
    total = len(steps(first))
    assert [one["step"] for one in steps(second)] == list(range(total, 2 * total))
    assert json.loads((second / "resumed.jsonl").read_text())["changed"]["training.epochs"] == [1, 2]
    assert train(second, "training.lr=0.02", "training.epochs=2") == 0  # and that run resumes by itself


def test_what_cannot_be_gone_on_from_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nothing is no checkpoint, and no run's folder"):
        find_resumption(tmp_path / "nothing", RunFolder(tmp_path))
    for step in (2, 4):
        checkpoint = tmp_path / "checkpoints" / f"step_{step:08d}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "run.json").write_text(json.dumps({"step": step, "identity": {}}))
    with pytest.raises(ConfigError, match=r"holds checkpoints after .*step_00000002"):
        find_resumption(tmp_path / "checkpoints" / "step_00000002", RunFolder(tmp_path))
    assert find_resumption(tmp_path, RunFolder(tmp_path)).name == "step_00000004"
