"""What every test gets: a store of its own, no hub but one on this computer, one thread, and a seed."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
import torch

DATA = Path(__file__).parent / "data"


# Set before anything imports the package (the conftest.py of a folder may), so that nobody's own store is registered
# with timm, and for processes that tests start: two busy threads on two cores are slower than one.
os.environ["ALPHANET_HOME"] = os.devnull
os.environ.setdefault("OMP_NUM_THREADS", "1")
# huggingface_hub reads these when it is imported. Where tests start no hub, nothing answers there.
with socket.create_server(("127.0.0.1", 0)) as unused:
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="alphanet_test_hf_")  # nobody's own token
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
for name in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_PROGRESS_BARS"):
    os.environ[name] = "1"
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "ALPHANET_HUB"):
    os.environ.pop(name, None)
torch.set_num_threads(1)
sys.path.insert(0, str(DATA))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Cards measure a latency for half a second, and no test asserts a time."""
    if card := sys.modules.get("alphanet_plugin.weights.card"):
        card._LATENCY_SECONDS = 0.01


@pytest.fixture(autouse=True)
def alphanet_home(tmp_path_factory, monkeypatch):
    """The test's own empty store."""
    home = tmp_path_factory.mktemp("alphanet_home")
    monkeypatch.setenv("ALPHANET_HOME", str(home))
    return home


@pytest.fixture
def loopback_hub():
    """A hub on this computer where the real client finds it; it is on until the test turns it off."""
    from loopback_hub import LoopbackHub

    with LoopbackHub(os.environ["HF_ENDPOINT"]) as hub:
        yield hub


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
