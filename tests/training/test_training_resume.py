"""A killed run goes on with the very numbers that it would have had."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from small_run import build, config

from alphanet_plugin.training import latest_checkpoint, list_checkpoints

PROGRAM = Path(__file__).with_name("small_run.py")


def trained_steps(output):
    steps = []
    build(config(output)).run(lambda record: steps.append(record["step"]))
    return steps


def state(output):
    checkpoint = latest_checkpoint(output / "checkpoints")
    weights = load_file(checkpoint / "model.safetensors")
    optimizer = torch.load(checkpoint / "optimizer.bin", weights_only=True)
    return weights, {key: value["momentum_buffer"] for key, value in optimizer["state"].items()}


def test_train_2n_equals_train_n_killed_then_resumed(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert trained_steps(whole) == list(range(8))

    command = [sys.executable, str(PROGRAM), str(killed), "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.split() == ["0", "1", "2", "3", "4"]
    assert [path.name for path in list_checkpoints(killed / "checkpoints")] == ["step_00000003"]

    assert trained_steps(killed) == [3, 4, 5, 6, 7]

    for expected, found in zip(state(whole), state(killed), strict=True):
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert torch.equal(tensor, found[name]), name

    records = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (whole, killed)
    ]
    for one, other in zip(*records, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert [record["step"] for record in records[0]] == list(range(8))

    assert trained_steps(killed) == []  # nothing to do
