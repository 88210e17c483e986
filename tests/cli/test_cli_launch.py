"""`accelerate launch` as README gives it, with two processes on CPUs."""

import json
import os
import subprocess
import sys

import pytest
import torch

SETTINGS = [
    "output=run", "space.resolutions=[16, 20]", "data.image_size=20", "data.search_count=1200", "training.epochs=1",
    "training.batch_size=50",
]  # fmt: skip


def test_two_processes_train_together(tmp_path):
    overrides = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", "-m", "alphanet_plugin",
        "train", "--config", "configs/digits.yaml", *overrides,
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained: run") == 1
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [record["images"] for record in records] == [100, 100]  # 237 images make two global batches


@pytest.mark.skipif(torch.cuda.is_available(), reason="where there is no GPU, Accelerate would leave the ranks apart")
@pytest.mark.slow
def test_a_plain_torchrun_without_a_gpu_trains_together(tmp_path):
    overrides = [part for setting in [*SETTINGS, "space.name=us_mobilenet_v2"] for part in ("--set", setting)]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m",
        "alphanet_plugin", "train", "--config", "configs/digits.yaml", *overrides,
    ]  # fmt: skip
    environment = {
        key: value for key, value in os.environ.items()
        if key not in ("RANK", "WORLD_SIZE", "MASTER_PORT") and not key.startswith("ACCELERATE_")
    }  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path,
        env={**environment, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained: run") == 1
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(record["step"], record["images"]) for record in records] == [(0, 100), (1, 100)]
