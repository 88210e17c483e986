"""What every test gets: a store of its own, one thread, and a seed."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

DATA = Path(__file__).parent / "data"


def pytest_configure():
    # Set before anything imports the package, so that nobody's own store is registered with timm, and for processes
    # that tests start: two busy threads on two cores are slower than one.
    os.environ["ALPHANET_HOME"] = os.devnull
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    sys.path.insert(0, str(DATA))


@pytest.fixture(autouse=True)
def alphanet_home(tmp_path_factory, monkeypatch):
    """The test's own empty store."""
    home = tmp_path_factory.mktemp("alphanet_home")
    monkeypatch.setenv("ALPHANET_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def stand_in_checkpoint(tmp_path_factory):
    """A released AttentiveNAS/AlphaNet checkpoint as it comes: DDP's prefix, optimizer state and more beside it."""
    import stand_in_weights

    shapes = json.loads((DATA / "official_checkpoint_shapes.json").read_text())
    state = {name: torch.from_numpy(stand_in_weights.tensor(name, tuple(shape))) for name, shape in shapes.items()}
    momenta = {number: {"momentum_buffer": torch.ones(3)} for number in range(5)}
    path = tmp_path_factory.mktemp("released") / "stand_in.pth.tar"
    content = {
        "epoch": 360,
        "best_acc1": 80.0,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": momenta, "param_groups": [{"lr": 0.1, "momentum": 0.9, "params": list(range(5))}]},
    }
    torch.save(content, path)
    return path
