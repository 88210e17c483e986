"""`python -m alphanet_plugin.timm SCRIPT ...`: scripts that create timm models find ours.

Neither timm's wheel nor its source distribution holds its scripts; TIMM_SCRIPTS names a folder with copies of them:

    TIMM_SCRIPTS=pytorch-image-models pytest tests/test_timm_scripts.py
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.models import resolve_model_input_args

from alphanet_plugin.errors import ConfigError
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.spaces import get_space
from alphanet_plugin.timm import run_script
from alphanet_plugin.weights import Publication, publish

SCRIPTS = os.environ.get("TIMM_SCRIPTS")
STAND_IN = """
import argparse, sys
import timm
import beside
parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--width", type=float)
arguments = parser.parse_args()
if __name__ == "__main__":
    model = timm.create_model(arguments.model, num_classes=3, width=arguments.width)
    print(timm.__name__, beside.WORD, type(model).__name__, model.num_classes, model.arch["width"], sys.argv[0])
"""


def run(*arguments, cwd):
    command = [sys.executable, "-m", "alphanet_plugin.timm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_a_script_finds_our_models_its_arguments_and_what_lies_beside_it(tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "script.py").write_text(STAND_IN)
    (folder / "beside.py").write_text("WORD = 'neighbour'")
    done = run("clone/script.py", "--model", "us_mobilenet_v2", "--width", "0.5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["timm", "neighbour", "UsMobileNet", "3", "0.5", "clone/script.py"]


def test_a_script_keeps_its_exit_status(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr(sys, "argv", [])
    (tmp_path / "script.py").write_text("raise SystemExit(7)")
    with pytest.raises(SystemExit) as stop:
        run_script([str(tmp_path / "script.py")])
    assert stop.value.code == 7


@pytest.mark.parametrize(("arguments", "said"), [([], "no script is given"), (["none.py"], "none.py is no file")])
def test_a_missing_script_is_an_error(arguments, said):
    with pytest.raises(ConfigError, match=f"{said}: python -m alphanet_plugin.timm SCRIPT.py"):
        run_script(arguments)


ARCH = get_space("attentive_nas", resolutions=(32,)).smallest()


@pytest.fixture
def published():
    """alphanet_subnet.mine in the test's store, of an arch that no entry's name says."""
    publication = Publication(
        architecture="alphanet_subnet", tag="mine", arch=ARCH, class_names=list("ab"), metrics={}, mflops=1.0, params=1,
        dataset="folder", data_config={"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3,
                                       "interpolation": "bicubic", "crop_pct": 1.0},
    )  # fmt: skip
    return publish(alphanet_subnet(arch=ARCH, num_classes=2).eval(), publication)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", ["alphanet_subnet.mine", "alphanet_subnet"])
def test_a_published_model_loads_as_scripts_load_it(name):
    """timm's scripts ask for the cfg of a name first, and hand it to create_model instead of the tag."""
    asked = resolve_model_input_args(name, {"img_size": None}, pretrained=True, num_classes=None)
    model = timm.create_model(**asked).eval()
    assert model.arch == ARCH
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(images), timm.create_model("alphanet_subnet.mine", pretrained=True).eval()(images))
    asked["pretrained"] = False  # with weights of the script's own
    assert timm.create_model(**asked).arch == ARCH


@pytest.mark.usefixtures("published")
def test_another_space_than_that_of_the_weights_is_refused():
    with pytest.raises(ValueError, match=r"mine has space attentive_nas, not ofa_mbv3; leave space out"):
        timm.create_model("alphanet_subnet.mine", pretrained=True, space="ofa_mbv3")


@pytest.fixture
def images(tmp_path):
    """A folder of two classes with four images each."""
    for number in range(8):
        folder = tmp_path / "data" / "validation" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "data"


# validate.py, inference.py and onnx_export.py always load weights.
OF_MODEL = ["--model", "alphanet_subnet.mine", "--num-classes", "2"]
ON_CPU = [*OF_MODEL, "--img-size", "64", "--device", "cpu"]
UNTRAINED = ["--model", "alphanet_a0", *ON_CPU[2:]]
ARGUMENTS = {
    "validate.py": ["--data-dir", "data/validation", *ON_CPU, "-b", "4", "-j", "0", "--no-prefetcher"],
    "inference.py": ["--data-dir", "data/validation", *ON_CPU, "-b", "4", "-j", "0", "--results-dir", "."],
    "benchmark.py": [*UNTRAINED, "-b", "2", "--num-bench-iter", "5", "--num-warm-iter", "1", "--bench", "inference"],
    "onnx_export.py": ["model.onnx", *OF_MODEL, "--img-size", "64"],
    "train.py": ["--data-dir", "data", "--train-split", "validation", *UNTRAINED, "--epochs", "1", "-b", "4", "-j", "0",
                 "--no-prefetcher", "--warmup-epochs", "0"],
}  # fmt: skip


SAID = {
    "validate.py": '"top1"', "inference.py": "--result", "benchmark.py": "infer_samples_per_sec",
    "onnx_export.py": "Creating PyTorch alphanet_subnet.mine", "train.py": "Best metric",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("published")
@pytest.mark.skipif(not SCRIPTS, reason="TIMM_SCRIPTS does not say where timm's scripts are")
@pytest.mark.parametrize("script", ARGUMENTS)
def test_timms_own_scripts(script, images):
    assert timm.is_model("alphanet_a0")
    done = run(Path(SCRIPTS or "").absolute() / script, *ARGUMENTS[script], cwd=images.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    assert SAID[script] in done.stdout + done.stderr, done.stderr[-2000:]  # some end with 0 whatever happened
    if script == "onnx_export.py":
        assert (images.parent / "model.onnx").stat().st_size > 1e6
