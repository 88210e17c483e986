"""What messages advise exists: options, verbs, keys of configurations, extras, files of the repository."""

import argparse
import ast
import dataclasses
import re
import sys
import typing
from functools import cache
from pathlib import Path

import pytest
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import get_args_parser

from alphanet_plugin import config
from alphanet_plugin.cli.main import VERBS, build_parser

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / "alphanet_plugin").rglob("*.py")), *sorted(ROOT.glob("alphanet_*.py"))]
FILES.remove(ROOT / "alphanet_plugin" / "timm.py")  # names options of timm's scripts, which are not installed
SCHEMAS = (
    config.RunConfig, config.NetworkRunConfig, config.FinetuneConfig, config.StudyConfig, config.DivergencesConfig,
)  # fmt: skip
HOLE = "\0"  # what an f-string puts in
FLAG = re.compile(r"(?<![\w-])--([a-z][\w-]+)")
COMMAND = re.compile(r"\balphanet ([a-z]+) ([^`;,()]*)")
ENDINGS = ("json", "jsonl", "safetensors", "yaml", "png", "py", "md", "csv", "npz", "onnx", "txt", "bin")
PATH = re.compile(r"\b(?:configs|docs|examples|benchmarks|model_cards)/[\w/.-]+\.(?:yaml|md|py)\b")
EXTRA = re.compile(r"'[\w.-]*\[(\w+)\]'")


@cache
def texts(file):
    """(line, text) of all string constants of a file, docstrings among them; an f-string is one text with holes."""
    return tuple(read_texts(file))


def read_texts(file):
    parts = set()  # of f-strings, which are walked before what is in them
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts.update(map(id, node.values))
            yield node.lineno, "".join(one.value if isinstance(one, ast.Constant) else HOLE for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


@cache
def options():
    """Option strings of each verb; of no verb, those of all programs that messages name."""
    (verbs,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    found = {verb: set(parser._option_string_actions) for verb, parser in verbs.choices.items()}
    found["nnictl"] = {"--all", "--port"}
    others = [build_parser(""), launch_command_parser(), get_args_parser()]
    found[None] = set().union(*found.values(), *(set(parser._option_string_actions) for parser in others))
    for file in FILES:  # programs of our own beside the command line
        for _, text in texts(file):
            if re.fullmatch(r"--[a-z-]+", text) and "add_argument" in file.read_text(encoding="utf-8"):
                found[None].add(text)
    return found


@cache
def keys():
    """Keys by section, of all schemas together."""
    found = {}
    for schema in SCHEMAS:
        for name, hint in typing.get_type_hints(schema).items():
            for one in (hint, *typing.get_args(hint)):
                if dataclasses.is_dataclass(one):
                    found.setdefault(name, set()).update(field.name for field in dataclasses.fields(one))
    return found


def wrong_options(text):
    for match in FLAG.finditer(text):
        if not text[match.end() :].startswith((HOLE, "[")) and match[0] not in options()[None]:
            yield f"no program has {match[0]}"
    for match in COMMAND.finditer(text):
        if match[1] in VERBS:
            for flag in FLAG.finditer(match[2]):
                if flag[0] not in options()[match[1]]:
                    yield f"alphanet {match[1]} has no {flag[0]}"


def wrong_verbs(text):
    for match in re.finditer(r"`alphanet ([a-z]+)\b", text):
        if match[1] not in VERBS:
            yield f"there is no verb {match[1]}"


def wrong_keys(text):
    sections = "|".join(sorted(keys()))
    for match in re.finditer(rf"(?<![\w./`({{])({sections})\.([a-z_]\w*)(?![\w.(])", text):
        if text[match.end() :].startswith(HOLE) or match[2] in ENDINGS:
            continue
        if match[2] not in keys()[match[1]]:
            yield f"section {match[1]} has no key {match[2]}"


def wrong_extras(text):
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"] if tomllib else ()
    for match in EXTRA.finditer(text):
        if tomllib and match[1] not in known:
            yield f"there is no extra {match[1]}"
        if not match[0].startswith("'.["):
            yield f"{match[0]}: no registry has this package; in a clone it is '.[{match[1]}]'"


def wrong_files(text):
    for match in PATH.finditer(text):
        if not (ROOT / match[0]).is_file() and not Path(match[0]).stem.isupper():  # configs/finetune/NAME.yaml
            yield f"there is no {match[0]}"


LOOKS = (wrong_options, wrong_verbs, wrong_keys, wrong_extras, wrong_files)


@pytest.mark.parametrize("look", LOOKS)
def test_what_messages_name_is_there(look):
    found = [
        f"{file.relative_to(ROOT)}:{line}: {wrong}"
        for file in FILES
        for line, text in texts(file)
        for wrong in look(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("look", "text"),
    [
        (wrong_options, "give --latncy cpu too"),
        (wrong_options, "run `alphanet publish RUN --calibrate FOLDER`"),
        (wrong_options, f"next: alphanet search {HOLE} --hub"),
        (wrong_verbs, "`alphanet serve` does"),
        (wrong_keys, "lower training.rate"),
        (wrong_keys, "--set data.serch_count=10"),
        (wrong_extras, "pip install '.[onnx]'"),
        (wrong_extras, "pip install 'alphanet-plugin[export]'"),
        (wrong_files, "as configs/digit.yaml does"),
    ],
)
def test_what_is_not_there_is_found(look, text):
    assert list(look(text))


@pytest.mark.parametrize(
    "text",
    [
        "`alphanet publish RUN --hub ORG` makes one",
        f"launch with --mixed_precision, or set training.mixed_precision={HOLE}",
        "pip install '.[nas]' in a clone",
        "teacher.cache is a folder, model.safetensors a file, configs/digits.yaml another",
    ],
)
def test_what_is_there_is_not(text):
    assert not [wrong for look in LOOKS for wrong in look(text)]
