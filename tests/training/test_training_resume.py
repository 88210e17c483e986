"""A killed run goes on with the very numbers that it would have had."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from alphanet_plugin.training import latest_checkpoint, list_checkpoints

PROGRAM = Path(__file__).with_name("small_run.py")


def run(output, *arguments):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(output), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout.split(), done.stderr


def state(output):
    checkpoint = latest_checkpoint(output / "checkpoints")
    weights = load_file(checkpoint / "model.safetensors")
    optimizer = torch.load(checkpoint / "optimizer.bin", weights_only=True)
    return weights, {key: value["momentum_buffer"] for key, value in optimizer["state"].items()}


def test_train_2n_equals_train_n_killed_then_resumed(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, steps, errors = run(whole)
    assert code == 0, errors
    assert steps == [str(step) for step in range(8)]

    code, steps, _ = run(killed, "4")
    assert code == -signal.SIGKILL
    assert steps == ["0", "1", "2", "3", "4"]
    assert [path.name for path in list_checkpoints(killed / "checkpoints")] == ["step_00000003"]

    code, steps, errors = run(killed)
    assert code == 0, errors
    assert steps == ["3", "4", "5", "6", "7"]

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

    code, steps, errors = run(killed)  # already trained: nothing to do
    assert (code, steps) == (0, []), errors
