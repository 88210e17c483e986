"""A training run of a few seconds, for tests; as a program: train, and perhaps kill itself.

python small_run.py OUTPUT [KILL_AFTER_STEP]
"""

import os
import signal
import sys
from dataclasses import replace

import torch
from torch.utils.data import Subset

from alphanet_plugin import runs
from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import AlphaNetError


def config(output, **training):
    values = {
        "output": str(output),
        "space": {"resolutions": [16, 24]},
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
    output, *rest = sys.argv[1:]
    kill_after = int(rest[0]) if rest else None

    def on_step(record):
        print(record["step"], flush=True)
        if record["step"] == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        build(config(output)).run(on_step)
    except AlphaNetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
