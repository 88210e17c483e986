"""Runs of a few seconds that train one small network."""

from dataclasses import replace

from torch.utils.data import Subset

from alphanet_plugin import runs
from alphanet_plugin.config import NetworkRunConfig, from_dict

IMAGES = 32


def config(output, *, model="test_resnet", training=None, data=None, **sections):
    values = {
        "output": str(output),
        "model": {"name": model},
        "data": {"image_size": 32, **(data or {})},
        # 32 images, 4 steps an epoch
        "training": {"epochs": 2, "batch_size": 8, "warmup_epochs": 0, "save_every": 3, "lr": 0.02, **(training or {})},
        **sections,
    }
    return from_dict(NetworkRunConfig, values)


def few(run):
    """The run's images, but only the first of each part."""
    splits = runs.build_data(run)
    parts = {name: Subset(getattr(splits, name), range(IMAGES)) for name in ("train", "search", "test")}
    return replace(splits, **parts)


def build(run, on_filled=None):
    return runs.NetworkRun(run, few(run), on_filled=on_filled).trainer


def finish(run):
    training = runs.NetworkRun(run, few(run))
    training.trainer.run()
    return training.finish()
