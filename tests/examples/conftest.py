"""A published subnet that has seen the digits for a moment, and the folder that the examples read."""

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from alphanet_plugin import get_space
from alphanet_plugin.data import build_splits
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.weights import Publication, publish

EXAMPLES = Path(__file__).parents[2] / "examples"
SIDE = 24


def load_example(name):
    """An example's module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def example():
    """An example's module, by its name."""
    return load_example


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits")
    load_example("digits_folder").write_digits(root)
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A store that holds alphanet_subnet.digits: the smallest subnet, after one epoch on the ten digits."""
    torch.manual_seed(0)
    splits = build_splits("digits", image_size=SIDE, augment=False)
    model = alphanet_subnet(arch=get_space("attentive_nas", resolutions=(SIDE,)).smallest(), num_classes=10).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for images, labels in torch.utils.data.DataLoader(splits.train, 32, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    publication = Publication(
        architecture="alphanet_subnet",
        tag="digits",
        arch=model.arch,
        data_config={
            "input_size": (3, SIDE, SIDE), "mean": splits.mean, "std": splits.std, "interpolation": "bicubic",
            "crop_pct": 1.0,
        },
        class_names=splits.class_names,
        metrics={},
        mflops=1.0,
        params=sum(parameter.numel() for parameter in model.parameters()),
        dataset="digits",
    )  # fmt: skip
    home = tmp_path_factory.mktemp("trained")
    publish(model, publication, home / "models" / publication.name)
    return home


@pytest.fixture
def published(trained, alphanet_home):
    """`trained`, in this test's own store; its name for timm."""
    shutil.copytree(trained, alphanet_home, dirs_exist_ok=True)
    return "alphanet_subnet.digits"
