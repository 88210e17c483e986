"""A training run of a second, for tests; as a program, one that kills itself.

python small_run.py OUTPUT LAST_STEP
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import Subset

from alphanet_plugin import runs
from alphanet_plugin.config import RunConfig, from_dict

SPACE = Path(__file__).parent.parent / "data" / "small_space.yaml"


def config(output, **training):
    values = {
        "output": str(output),
        "space": {"table": str(SPACE)},
        "data": {"image_size": 24},
        # 32 images, 4 steps an epoch, 8 steps
        "training": {"epochs": 2, "batch_size": 8, "warmup_epochs": 1, "save_every": 3, **training},
    }
    return from_dict(RunConfig, values)


def small_splits(run):
    splits = runs.build_data(run)
    return replace(splits, train=Subset(splits.train, range(32)))


def build(run):
    return runs.SupernetRun(run, small_splits(run)).trainer


def main():
    torch.set_num_threads(1)
    output, last_step = sys.argv[1:]

    def on_step(record):
        print(record["step"], flush=True)
        if record["step"] == int(last_step):
            os.kill(os.getpid(), signal.SIGKILL)

    build(config(output)).run(on_step)


if __name__ == "__main__":
    main()
