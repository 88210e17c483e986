"""The shipped experiments, run to their end by NNI's own manager."""

import json

import pytest
import yaml
from nni_experiment import Experiment, copy_configs

from alphanet_plugin.cli.main import main
from alphanet_plugin.config import RunConfig, read_config
from alphanet_plugin.runs import build_evaluator, open_run, to_publish
from alphanet_plugin.search import read_history

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# `alphanet train --config configs/digits.yaml` in small, at the path that configs/nni/search_subnets.yaml names
TRAIN = [
    "train", "--config", "configs/digits.yaml", "--set", "training.epochs=1", "--set", "training.batch_size=128",
    "--set", "space.resolutions=[16, 20, 24, 28]", "--set", "data.image_size=28",
    "--set", "evaluation.search_calibration_batches=1", "--set", "evaluation.calibration_batches=1",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    copy_configs(tmp_path)
    return tmp_path


def test_hpo_kd(folder):
    with Experiment(folder, "configs/nni/hpo_kd.yaml") as experiment:
        experiment.wait_done()
        trials = experiment.trials()
        assert [trial["status"] for trial in trials] == ["SUCCEEDED"] * 3
        final, intermediate = experiment.results()
        assert len(final) == len(intermediate) == 3  # one epoch each
        for result in final:
            others = [value for name, value in result.items() if name != "default"]
            assert result["default"] == pytest.approx(sum(others) / len(others))
            assert {"smallest", "a6", "largest"} <= set(result)
        assert all({"default", "smallest", "largest", "kd_loss"} == set(result) for result in intermediate)
        losses = set()
        for trial in trials:
            chosen = json.loads(trial["hyperParameters"][0])["parameters"]
            output = folder / "runs/hpo_kd" / experiment.id / trial["trialJobId"]
            config = read_config(RunConfig, output / "config.yaml")
            assert config.training.lr == chosen["training.lr"]
            name = chosen["kd"].pop("_name")
            assert config.kd.name == name
            assert {key: getattr(config.kd, key) for key in chosen["kd"]} == chosen["kd"]
            losses.add(name)
        assert losses == {"adaptive_alpha", "kl"}


def test_hpo_deps(folder):
    with Experiment(folder, "configs/nni/hpo_deps.yaml") as experiment:
        experiment.wait(lambda: experiment.status == "DONE", seconds=520)
        trials = experiment.trials()
        assert [trial["status"] for trial in trials] == ["SUCCEEDED"] * 3
        for trial in trials:
            chosen = json.loads(trial["hyperParameters"][0])["parameters"]
            output = folder / "runs/hpo_deps" / experiment.id / trial["trialJobId"]
            config = read_config(RunConfig, output / "config.yaml")
            full, shrink = config.phases
            assert config.kd.name == chosen["kd.name"]
            assert (full.share, shrink.scale.length) == (
                chosen["phases.full.share"], chosen["phases.shrink.scale.length"],
            )  # fmt: skip
            records = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
            assert {record["phase"] for record in records} == {"full", "shrink"}


def test_search_subnets_through_a_killed_trial_and_a_resumption(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(TRAIN) == 0
    with Experiment(folder, "configs/nni/search_subnets.yaml") as experiment:
        experiment.wait(lambda: experiment.trials("RUNNING"))
        killed = experiment.trials()[0]["trialJobId"]
        experiment.request("DELETE", f"/trial-jobs/{killed}")
        experiment.wait(lambda: experiment.trials("SUCCEEDED"))
        experiment.stop()
        assert "the search is not at its end" in experiment.log("dispatcher.log")
        experiment.resume()
        experiment.wait_done()

        asked = yaml.safe_load((folder / "configs/nni/search_subnets.yaml").read_text())["tuner"]["classArgs"]
        total = asked["num_random"] + asked["num_crossovers"] + asked["num_mutations"]
        assert len(experiment.trials("SUCCEEDED")) == total
        lost = experiment.trials("FAILED", "USER_CANCELED", "SYS_CANCELED")
        assert [trial["trialJobId"] for trial in lost] == [killed]
        final, _ = experiment.results()
        assert len({result["arch"] for result in final}) == len(final) == total
        assert all(asked["min_mflops"] <= result["mflops"] <= asked["max_mflops"] for result in final)
        assert all(result["latency_ms"] > 0 for result in final)
        log = experiment.log("dispatcher.log")
        assert "failed or was killed" in log
        assert f"the search is at its end: {total} subnets" in log

    # The experiment's results are those of `alphanet search`, evaluated as it does, and published as its are.
    _, entries = read_history(folder / "runs/digits/search.jsonl")
    assert {str(entry.evaluated.arch) for entry in entries} == {result["arch"] for result in final}
    assert {entry.round for entry in entries} == {0, 1}
    run = open_run("runs/digits")
    best = max(final, key=lambda result: (result["default"], -result["mflops"]))
    metrics = build_evaluator(run)(run.space.parse(best["arch"]))
    assert metrics.top1 == pytest.approx(best["default"])
    assert best["arch"] in {str(arch) for arch in to_publish(run).values()}


def test_a_tuner_that_cannot_start_ends_the_experiment_with_an_error(folder):
    file = folder / "configs/nni/search_subnets.yaml"
    file.write_text(file.read_text().replace("max_mflops:", "max_mflop:"))
    with Experiment(folder, "configs/nni/search_subnets.yaml") as experiment:
        with pytest.raises(AssertionError, match="did you mean 'max_mflops'"):
            experiment.wait(lambda: False, seconds=60)
        assert experiment.status == "ERROR"
