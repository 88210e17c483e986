"""The documentation site: its parts are there, its messages are ours, its map leads somewhere."""

import ast
import dataclasses
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alphanet_plugin import config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAPERS = (DOCS / "paper_to_code.md").read_text(encoding="utf-8")


def hook():
    spec = importlib.util.spec_from_file_location("configuration_hook", DOCS / "hooks" / "configuration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"(\w[\w/]*\.md)", text[text.index("\nnav:") :]))
    assert named == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_links_between_pages_lead_somewhere():
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "of", [one for one in vars(config).values() if isinstance(one, type) and dataclasses.is_dataclass(one)]
)
def test_the_reference_describes_every_key(of):
    lacking = {one.name for one in dataclasses.fields(of)} - set(hook().described(of))
    assert not lacking


def test_the_reference_is_of_what_is_read():
    made = hook().reference()
    assert "## TrainingConfig" in made
    assert f"| `alpha_min` | `{config.AdaptiveAlphaConfig().alpha_min!r}` |" in made


def messages():
    """Every text of the package, with … for what is put in."""
    for path in sorted((ROOT / "alphanet_plugin").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


TEXTS = [" ".join(text.replace("`", "").split()) for text in messages()]
QUOTED = re.findall(r"^## `(.*)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("quoted", QUOTED)
def test_each_message_is_in_the_code(quoted):
    pattern = re.compile(".*".join(re.escape(part) for part in quoted.split("…") if part))
    assert any(map(pattern.search, TEXTS)), "no error says this any more"


def test_there_are_messages_and_a_wrong_one_would_be_seen():
    assert len(QUOTED) >= 12
    assert not any("the moon is in use by" in text for text in TEXTS)


def test_the_map_has_every_equation_table_figure_and_algorithm():
    alphanet, deps = PAPERS.split("## DepS")
    numbers = {
        "Equation": (range(1, 9), range(1, 5)),
        "Table": (range(1, 8), range(1, 3)),
        "Figure": (range(1, 11), range(1, 8)),
    }
    for kind, (of_alphanet, of_deps) in numbers.items():
        for text, wanted in ((alphanet, of_alphanet), (deps, of_deps)):
            rows = re.findall(rf"^\| {kind}s? (\d+)(?: and (\d+))?", text, flags=re.MULTILINE)
            assert {int(number) for row in rows for number in row if number} == set(wanted), kind
    assert "| Algorithm 1 |" in alphanet


def test_files_of_the_map_exist():
    where = re.findall(r"`([\w/]+(?:\.py|\.yaml|/))`", PAPERS)
    assert len(where) > 25
    for name in where:
        places = (ROOT / "alphanet_plugin" / name, ROOT / name, ROOT / "configs/studies" / name)
        assert any(place.exists() for place in places), name


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the extra docs")
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site/configuration/index.html").read_text(encoding="utf-8")
    assert "warmup_epochs" in reference


def test_the_site_asks_nothing_of_others():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["theme"]["font"] is False
