"""What README.md and the pages that go with it tell people to do, done."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.cli.main import build_parser
from alphanet_plugin.runs import read_config

ROOT = Path(__file__).parents[1]
FILES = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("index", "running", "using_models", "released_weights", "paper_to_code")
    ),
    *sorted((ROOT / "docs/tutorials").glob("*.md")),
]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in FILES)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def commands():
    """Each once, of blocks and of cells of tables."""
    found = {tuple(words): words for words in _commands()}
    yield from found.values()


def _commands():
    cells = re.findall(r"^\|.* `(alphanet [^`]*)`", TEXT, flags=re.MULTILINE)
    for block in [*blocks("bash"), *(cell for cell in cells if not re.search("MODEL|RUN|FILE|ARCH|nni$", cell))]:
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.split("#")[0].split("&&"):
                words = shlex.split(command)
                if words[:1] == ["alphanet"]:
                    yield words[1:]
                elif words[:2] == ["accelerate", "launch"]:
                    yield words[words.index("alphanet_plugin") + 1 :]


def test_there_is_something_to_test():
    assert len(list(commands())) >= 5
    assert len(blocks("python")) >= 2


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_commands_are_understood(command):
    arguments = build_parser().parse_args(command)
    if getattr(arguments, "config", None):
        read_config(arguments.config, arguments.overrides)


def runnable():
    """Python that needs nothing published before; a whole run takes minutes."""
    for code in blocks("python"):
        if "pretrained=True" not in code:
            yield pytest.param(code, marks=[pytest.mark.slow] if "run_supernet" in code else [])


@pytest.mark.parametrize("code", list(runnable()))
def test_python_runs(code, tmp_path):
    Image.fromarray(np.full((300, 400), 40_000, dtype=np.uint16)).save(tmp_path / "photo.jpg", format="PNG")
    own = {"OMP_NUM_THREADS": "1", "ALPHANET_HOME": str(tmp_path / "store")}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:alphanet_plugin", "-c", code], capture_output=True, text=True,
        timeout=200, check=False, cwd=tmp_path, env={**os.environ, **own},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_pictures_and_files_that_it_names_exist():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", FILES[0].read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target
