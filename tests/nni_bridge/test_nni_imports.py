"""NNI's names and ours in any order, and what importing them says: each in a process of its own."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from importlib import import_module
for step in sys.argv[1:]:
    module, _, name = step.partition(":")
    found = import_module(module)
    if name:
        getattr(found, name)
import nni.nas.strategy
from nni.nas.oneshot.pytorch import strategy as one_shot
for name in ("RandomOneShot", "ENAS", "DARTS", "GumbelDARTS", "Proxyless"):
    assert getattr(nni.nas.strategy, name) is getattr(one_shot, name), name
nni.nas.strategy.RandomOneShot()
"""
OURS = "alphanet_plugin.nni_bridge"


def imported(*steps, before=""):
    return subprocess.run([sys.executable, "-c", before + PROGRAM, *steps], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "steps",
    [
        [f"{OURS}:AlphaNetStrategy"],
        ["nni.nas.oneshot.pytorch.strategy", f"{OURS}:ElasticSpace"],
        *(
            pytest.param(steps, marks=pytest.mark.slow)
            for steps in [
                *([f"{OURS}:{name}"] for name in ("AccelerateEvaluator", "ElasticSpace", "OneShotSupernet")),
                *([f"{OURS}:{name}"] for name in ("repair_enas", "run_experiment", "EvolutionTuner", "AlphaNet")),
                [f"{OURS}:AlphaLayerwiseDistiller", f"{OURS}:KLStrategy"],
                *(
                    [f"nni.nas.{module}", f"{OURS}:KLStrategy"]
                    for module in ("strategy", "oneshot", "nn.pytorch", "evaluator", "hub.pytorch", "experiment")
                ),
            ]
        ),
    ],
    ids=lambda steps: " then ".join(steps),
)
def test_every_order_works(steps):
    done = imported(*steps)
    assert done.returncode == 0, done.stderr
    if steps[0].startswith(OURS):
        assert not [words for words in ("Gym", "nn.Module") if words in done.stderr], done.stderr


def test_without_lightning_it_says_what_to_install():
    done = imported(f"{OURS}:KLStrategy", before="import sys\nsys.modules['pytorch_lightning'] = None\n")
    assert done.stderr.splitlines()[-1].startswith("ImportError: NNI's NAS cannot be imported")
    assert "pip install 'pytorch-lightning>=2.0' 'tianshou==0.5.0' 'gym>=0.26'" in done.stderr
