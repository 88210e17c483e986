"""What a user installs: the wheel made from the sdist, its version, its types, its extras."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

import alphanet_plugin

ROOT = Path(__file__).parents[1]
SCRIPT = """
import torch
from alphanet_plugin import Arch, get_space
from alphanet_plugin.losses import AdaptiveAlphaDivergence
from alphanet_plugin.runs import TrainedRun, read_config
from alphanet_plugin.supernet import build_supernet


def arch_of(run: TrainedRun) -> Arch:
    model: torch.nn.Module = run.subnet(run.space.smallest())
    print(type(model).__name__)
    return run.space.smallest()


space = get_space("attentive_nas", resolutions=(32, 40))
supernet = build_supernet(space, num_classes=10)
kd_loss = AdaptiveAlphaDivergence(alpha_min=-1.0, alpha_max=1.0, clip=5.0)
loss: torch.Tensor = kd_loss(torch.ones(2, 10), torch.ones(2, 10))
epochs: int = read_config("configs/digits.yaml", ["training.epochs=2"]).training.epochs
print(loss.item(), space.mflops(space.smallest()) + epochs)
"""
WRONG = SCRIPT + "wrong: str = epochs\n"


def test_the_version_is_one():
    Version(alphanet_plugin.__version__.replace("not-installed", "x"))


def test_the_citation_is_yaml():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == "Apache-2.0"
    assert "AlphaNet" in citation["preferred-citation"]["title"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder that a wheel made from the sdist unpacks to."""
    if shutil.which("uv") is None:
        pytest.skip("needs uv")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["uv", "build", "-q", "-o", str(folder), str(ROOT)], check=True, timeout=250)
    (sdist,), (built,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    assert sdist.name.removesuffix(".tar.gz") == "-".join(built.name.split("-")[:2])
    with zipfile.ZipFile(built) as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.mark.slow
def test_the_wheel_has_configs_cards_types_and_the_page(wheel):
    for place in ("configs", "model_cards"):
        own = {path.relative_to(ROOT / place) for path in (ROOT / place).rglob("*") if path.is_file()}
        packed = wheel / "alphanet_plugin/_shipped" / place
        assert {path.relative_to(packed) for path in packed.rglob("*") if path.is_file()} == own
    for name in ("py.typed", "report/page/vega.min.js", "report/page/LICENSE.vega.txt"):
        assert (wheel / "alphanet_plugin" / name).is_file()


@pytest.mark.slow
def test_the_wheel_works_away_from_the_clone(wheel, tmp_path):
    code = "from alphanet_plugin.cli.main import main; raise SystemExit(main(['train', '--config', "
    code += "'configs/digits.yaml', '--plan', '--set', 'output=run']))"
    environment = {**os.environ, "PYTHONPATH": str(wheel), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "multiply-adds" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("checker", [["mypy", "--ignore-missing-imports", "--follow-imports=silent"], ["pyright"]])
def test_type_checkers_accept_a_users_script(checker, tmp_path):
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(SCRIPT, encoding="utf-8")
    wrong.write_text(WRONG, encoding="utf-8")
    command = [sys.executable, "-m", *checker]
    for file, accepted in ((right, True), (wrong, False)):
        done = subprocess.run(
            [*command, str(file)], cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True,
            text=True, timeout=280, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is accepted, done.stdout


def test_messages_name_extras_that_there_are():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("[project.optional-dependencies]") : text.index("[project.scripts]")]
    extras = set(re.findall(r"^(\w+) = \[", section, flags=re.MULTILINE))
    named = set()
    for path in (ROOT / "alphanet_plugin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"(?:\.|alphanet-plugin)\[(\w+)\]'", node.value))
            elif isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Constant):
                named.add(node.value.value)  # of `errors.how_to_install`
    assert "nas" in named
    assert named <= extras
