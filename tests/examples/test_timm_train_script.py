"""timm's own train.py fine-tunes a published subnet, given `--device-modules alphanet_plugin`.

Neither timm's wheel nor its source distribution holds the script; point TIMM_TRAIN_SCRIPT at that of a clone:

    TIMM_TRAIN_SCRIPT=pytorch-image-models/train.py pytest tests/examples/test_timm_train_script.py
"""

import csv
import os
import subprocess
import sys

import pytest

SCRIPT = os.environ.get("TIMM_TRAIN_SCRIPT")


@pytest.mark.skipif(not SCRIPT, reason="TIMM_TRAIN_SCRIPT does not say where timm's train.py is")
def test_one_epoch(published, digits_folder, tmp_path):
    options = {
        "--data-dir": digits_folder, "--model": published, "--num-classes": 2, "--device": "cpu", "--epochs": 1,
        "--batch-size": 32, "--workers": 0, "--opt": "adamw", "--lr": 2e-3, "--layer-decay": 0.75, "--warmup-epochs": 0,
        "--output": tmp_path, "--experiment": "run", "--device-modules": "alphanet_plugin",
    }  # fmt: skip
    command = [sys.executable, SCRIPT, "--pretrained", "--no-prefetcher"]
    for name, value in options.items():
        command += [name, str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    with open(tmp_path / "run" / "summary.csv", newline="") as file:
        assert float(next(csv.DictReader(file))["eval_top1"]) > 60
