"""The network computes what the released program computes, given its weights: logits in float64."""

import json
from pathlib import Path

import pytest
import stand_in_weights
import torch
from safetensors import safe_open

from alphanet_plugin import get_space
from alphanet_plugin.evaluation import recalibrate_bn
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.weights import read_supernet_checkpoint

GOLDEN = Path(__file__).parents[1] / "data" / "golden_logits.safetensors"
SPACE = get_space("attentive_nas")
with safe_open(GOLDEN, "pt") as golden_file:
    FACTS = {name: json.loads(text) for name, text in sorted(golden_file.metadata().items())}
ARCHS = {
    name: SPACE.arch(**{field: value for field, value in facts.items() if field not in ("mflops", "params")})
    for name, facts in FACTS.items()
}


def golden(name):
    with safe_open(GOLDEN, "pt") as file:
        return file.get_tensor(name).double()


def images(seed, batch):
    return torch.from_numpy(stand_in_weights.images(seed, batch, 224)).double()


@pytest.fixture(scope="module")
def supernet(stand_in_checkpoint):
    net = build_supernet(SPACE, num_classes=1000, resize_input=True)
    net.load_state_dict(read_supernet_checkpoint(stand_in_checkpoint))
    return net.double()


def test_all_archs_are_here():
    assert set(ARCHS) == {"a0", "a2", "a4", "a6", "max", "random0", "random1", "random2"}


@pytest.mark.parametrize("name", ARCHS)
def test_training_logits(supernet, name):
    supernet.train()
    supernet.activate(ARCHS[name])
    with torch.no_grad():
        logits = supernet(images(2, 4))
    torch.testing.assert_close(logits, golden(f"{name}.logits_train"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ARCHS)
def test_eval_logits(supernet, name):
    subnet = supernet.extract(ARCHS[name]).eval()
    with torch.no_grad():
        logits = subnet(images(1, 2))
    expected = golden(f"{name}.logits_eval")
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6 * expected.abs().max().item())


# The larger ones take seconds each and say little that the others do not.
SLOW = {"a6", "max", "random0", "random1", "random2"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in ARCHS])
def test_calibrated_logits(supernet, name):
    subnet = supernet.extract(ARCHS[name]).eval()
    recalibrate_bn(subnet, [images(100, 4), images(101, 4)])
    with torch.no_grad():
        logits = subnet(images(1, 2))
    torch.testing.assert_close(logits, golden(f"{name}.logits_calibrated"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ARCHS)
def test_costs(supernet, name):
    subnet = supernet.build_static(ARCHS[name])
    held = sum(parameter.numel() for parameter in subnet.parameters())
    assert held == SPACE.params(ARCHS[name], idle_shortcuts=False)
    assert SPACE.params(ARCHS[name]) == FACTS[name]["params"]
    assert SPACE.mflops(ARCHS[name]) == pytest.approx(FACTS[name]["mflops"], rel=1e-9)
