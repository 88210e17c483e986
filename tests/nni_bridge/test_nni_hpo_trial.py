"""A training run as a trial: what NNI chooses becomes overrides, and what is reported."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import nni
import pytest

from alphanet_plugin.config import RunConfig, read_config
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.nni_bridge.hpo import hpo_trial
from alphanet_plugin.nni_bridge.hpo.hpo_trial import EpochReporter, judged, overrides_of
from alphanet_plugin.shipped import shipped
from alphanet_plugin.spaces import get_space

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))


def read(parameters):
    return read_config(RunConfig, shipped("configs/digits.yaml"), overrides_of(parameters))


def test_keys_become_overrides():
    config = read({"training.lr": 0.03, "kd.alpha_min": -2.0, "training.batch_size": 64.0, "kd.form": "paper"})
    assert (config.training.lr, config.training.batch_size) == (0.03, 64)
    assert (config.kd.alpha_min, config.kd.form) == (-2.0, "paper")


def test_a_nested_choice_replaces_its_section():
    # configs/digits.yaml has alpha_min, which kl does not know
    assert read({"kd": {"_name": "kl", "temperature": 2.5}}).kd.temperature == 2.5
    assert read({"kd": {"_name": "adaptive_alpha", "clip": 1e-5}}).kd.clip == 1e-5
    assert read({"kd": {"_name": "kl"}}).kd.name == "kl"


@pytest.mark.parametrize("parameters", [None, 0.5, ["training.lr"]])
def test_what_is_no_key_with_a_value_is_refused(parameters):
    with pytest.raises(ConfigError, match="must be configuration keys with values"):
        overrides_of(parameters)


def test_a_wrong_key_is_named():
    with pytest.raises(ConfigError, match="did you mean 'clip'"):
        read({"kd.clipp": 3})


def test_judged_by_smallest_presets_and_largest():
    archs = judged(SPACE)
    assert (next(iter(archs)), list(archs)[-1]) == ("smallest", "largest")
    assert {"a3", "a6"} < set(archs)
    assert len(set(archs.values())) == len(archs)  # a0 may be the smallest, and counts once then


def test_each_epoch_is_reported_with_its_mean_kd_loss(monkeypatch):
    reported = []
    monkeypatch.setattr(nni, "report_intermediate_result", reported.append)
    accuracy = {SPACE.smallest(): 20.0, SPACE.largest(): 40.0}
    report = EpochReporter(SPACE, lambda arch: SimpleNamespace(top1=accuracy[arch]), steps_per_epoch=2)
    for step, kd_loss in enumerate([1.0, 2.0, 3.0, 5.0, 7.0]):
        report({"step": step, "kd_loss": kd_loss})
    ends = {"default": 30.0, "smallest": 20.0, "largest": 40.0}
    assert reported == [{**ends, "kd_loss": 1.5}, {**ends, "kd_loss": 4.0}]


def test_only_one_process_asks_nni(monkeypatch):
    monkeypatch.setattr(nni, "get_next_parameter", lambda: {"training.lr": 0.5})
    assert hpo_trial.next_overrides() == ["training.lr=0.5"]


CHANNEL = """
import json
from pathlib import Path
from nni.runtime.trial_command_channel.base import TrialCommandChannel

class Channel(TrialCommandChannel):
    '''In place of NNI's manager: parameters from a file, results to a file, and each request counted.'''

    def receive_parameter(self):
        with open("requests.txt", "a") as file:
            file.write("asked\\n")
        return {"parameter_id": 0, "parameters": {"kd": {"_name": "kl", "temperature": 2.0}, "training.lr": 0.03}}

    def send_metric(self, type, parameter_id, trial_job_id, sequence, value):
        with open("results.jsonl", "a") as file:
            file.write(json.dumps({"type": type, "sequence": sequence, "value": value}) + "\\n")
"""


@pytest.mark.slow
def test_of_two_ranks_the_first_talks_to_nni_and_both_train_with_its_parameters(tmp_path):
    (tmp_path / "stand_in_channel.py").write_text(CHANNEL)
    settings = [
        "output=runs", "space.resolutions=[16, 20]", "data.image_size=20", "data.search_count=1200",
        "training.epochs=1", "training.batch_size=50", "evaluation.search_calibration_batches=1",
    ]  # fmt: skip
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", "-m", "alphanet_plugin",
        "train", "--config", "configs/digits.yaml", "--nni", *(part for one in settings for part in ("--set", one)),
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
    nni_environment = {
        "NNI_PLATFORM": "local", "NNI_EXP_ID": "exp", "NNI_TRIAL_JOB_ID": "t1", "NNI_TRIAL_SEQ_ID": "0",
        "NNI_OUTPUT_DIR": str(tmp_path),
        "NNI_TRIAL_COMMAND_CHANNEL": "import://stand_in_channel.Channel",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path,
        env={**environment, **nni_environment, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "requests.txt").read_text() == "asked\n"
    config = read_config(RunConfig, tmp_path / "runs/exp/t1/config.yaml")
    assert (config.kd.name, config.kd.temperature, config.training.lr) == ("kl", 2.0, 0.03)
    records = [json.loads(line) for line in (tmp_path / "runs/exp/t1/log.jsonl").read_text().splitlines()]
    assert [record["images"] for record in records] == [100, 100]
    reported = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [one["type"] for one in reported] == ["PERIODICAL", "FINAL"]
    assert set(reported[0]["value"]) == {"default", "smallest", "largest", "kd_loss"}
    final = reported[1]["value"]
    others = [value for name, value in final.items() if name != "default"]
    assert final["default"] == pytest.approx(sum(others) / len(others))
    # NNI turns what a trial prints into a log of its own
    assert f"{final['default']:.2f} % with kd=" in (tmp_path / "trial.log").read_text()
