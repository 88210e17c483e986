"""Where an optional package is missing, the message names it and the extra of this package that brings it."""

import argparse
import ast
import re
import sys
from pathlib import Path

import pytest

from alphanet_plugin.cli import completion
from alphanet_plugin.errors import AlphaNetError, how_to_install
from alphanet_plugin.export import FORMATS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
SECTION = TEXT[TEXT.index("[project.optional-dependencies]") : TEXT.index("[project.scripts]")]
EXTRAS = {
    name: re.findall(r'"([^"]+)"', packages)
    for name, packages in re.findall(r"^(\w+) = \[(.*?)\]$", SECTION, flags=re.MULTILINE | re.DOTALL)
}
USES = {
    "shtab": ("completion", lambda: completion.run(argparse.Namespace(shell="bash"))),
    **dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), ("export", FORMATS["onnx"].require)),
}


@pytest.mark.parametrize("package", USES)
def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    extra, use = USES[package]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AlphaNetError) as raised:
        use()
    assert re.search(rf"pip install .*\b{package}\b.* \(in a clone: pip install '\.\[{extra}\]'\)", str(raised.value))
    assert any(requirement.startswith(package) for requirement in EXTRAS[extra])


def calls():
    """(file, packages, extra) of each `how_to_install`; None for what is not written there."""
    for path in sorted((ROOT / "alphanet_plugin").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "how_to_install":
                extra = node.keywords[0].value
                packages = [one.value for one in node.args if isinstance(one, ast.Constant)]
                yield path.name, packages, extra.value if isinstance(extra, ast.Constant) else None


@pytest.mark.parametrize(("file", "packages", "extra"), list(calls()))
def test_what_messages_advise_is_what_the_extra_has(file, packages, extra):
    assert extra is None or extra in EXTRAS, file
    for package in packages:
        assert any(requirement == package or requirement.startswith(f"{package}>=") for requirement in EXTRAS[extra])


def test_there_are_such_messages():
    assert {extra for _, _, extra in calls()} >= {"completion", "export", "nas"}
    assert how_to_install("a>=1", "c-d", extra="b") == "pip install 'a>=1' c-d (in a clone: pip install '.[b]')"
