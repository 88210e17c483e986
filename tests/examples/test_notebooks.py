"""The notebooks of examples/, one for each reader: as they are kept, and (slow) run from top to bottom."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=sys.argv[2])
nbformat.write(notebook, sys.argv[3])
"""


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_there_is_one_for_each_reader():
    assert [path.stem for path in NOTEBOOKS] == ["accelerate_user", "nni_user", "timm_user"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_imports_what_there_is(path):
    found = cells(path)
    assert found[0]["cell_type"] == "markdown"
    for cell in found:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            assert cell["execution_count"] is None
            for node in ast.walk(ast.parse("".join(cell["source"]) if not is_shell(cell) else "")):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("alphanet_plugin"):
                    module = importlib.import_module(node.module)
                    assert all(hasattr(module, one.name) for one in node.names)


def is_shell(cell):
    return "".join(cell["source"]).startswith("!")


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine
@pytest.mark.skipif(importlib.util.find_spec("nbclient") is None, reason="needs nbclient and ipykernel")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path, tmp_path):
    own = {"ALPHANET_HOME": str(tmp_path / "store"), "OMP_NUM_THREADS": "1", "NNI_CONFIG_DIR": str(tmp_path / "nni")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(tmp_path), str(tmp_path / "run.ipynb")], capture_output=True,
        text=True, timeout=850, check=False, env={**os.environ, **own},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    shown = [output for cell in cells(tmp_path / "run.ipynb") for output in cell.get("outputs", [])]
    text = json.dumps(shown)
    if path.stem == "timm_user":
        for stage in ("train", "search", "publish"):
            assert f"</progress> <code>{stage} " in text
    if path.stem != "nni_user":
        assert any("image/png" in output.get("data", {}) for output in shown)
    if path.stem == "accelerate_user":
        assert "already trained" in text, text.replace("\\n", "\n")[:6000]
