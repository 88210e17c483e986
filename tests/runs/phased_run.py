"""A run of several phases, of a few seconds, for tests; as a program: train, and perhaps kill itself.

python phased_run.py OUTPUT RECIPE [KILL_AFTER_STEP]
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

PHASED = ["ofa", "compofa", "deps", "deps_released", "bignas"]
EPOCHS = {"ofa": 6, "compofa": 4}
TABLE = {
    "name": "small",
    "resolutions": [16, 24],
    "act": "relu",
    "shortcut": "identity",
    "per_block": ["kernel_size", "expand_ratio"],
    "stem": {"width": 8, "stride": 2},
    "stages": [
        {"name": f"mb{number}", "width": 8, "depth": [2, 3, 4], "kernel_size": [3, 5, 7], "expand_ratio": [3, 4, 6],
         "stride": 2 if number == 2 else 1, "se": number == 2}
        for number in (1, 2)
    ],
    "head": {"expand_width": 16, "width": 24},
}  # fmt: skip
KERNELS = {"choices": {"mb1.kernel_size": [3], "mb2.kernel_size": [5],
                        **{f"mb{number}.kernel_size": None for number in (3, 4, 5)}}}  # fmt: skip


def config(output, recipe, **training):
    """The run of a recipe by name, or of a list of phases: 4 steps an epoch of 4 images."""
    values = {
        "output": str(output),
        "space": {"table": TABLE},
        "data": {"image_size": 24},
        "training": {"epochs": EPOCHS.get(recipe, 3) if isinstance(recipe, str) else 3, "batch_size": 4, "lr": 0.02,
                     "warmup_epochs": 0, "save_every": 3, **training},
        **({"recipe": recipe} if isinstance(recipe, str) else {"phases": recipe, "kd": {"name": "kl"}}),
    }  # fmt: skip
    if recipe == "compofa":
        values["phases"] = {"compound1": KERNELS, "compound2": KERNELS}
    return from_dict(RunConfig, values)


def run_of(config):
    splits = runs.build_data(config)
    return runs.SupernetRun(config, replace(splits, train=Subset(splits.train, range(16))))


def main():
    torch.set_num_threads(1)
    output, recipe, *kill_after = sys.argv[1:]

    def on_step(record):
        if [str(record["step"])] == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    run_of(config(Path(output), recipe)).train(on_step)


if __name__ == "__main__":
    main()
