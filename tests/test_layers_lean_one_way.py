"""Imports lean one way: a room imports only rooms of the rows above its own, as the table of rooms says."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "alphanet_plugin"
FILES = sorted(PACKAGE.rglob("*.py"))

# Rows from above. A row imports only rows above it; a file that stands alone is a room of its own. The table's row 0
# is seven here: every room raises the errors, the spaces' tables are shipped files of YAML, what a dead process left is
# known by its owner, a configuration checks that its space is one of the spaces, the store's files have digests, and
# the hub's copies are folders like the store's.
ROWS = [
    {"nearest"},
    {"errors", "shipped", "others_notes"},
    {"yaml_text"},
    {"spaces", "owner"},
    {"config", "atomic", "digest"},
    {"store"},
    {"hub"},
    {"models", "losses", "data"},
    {"supernet", "samplers", "schedules"},
    {"evaluation"},
    {"weights", "export", "training", "search", "report"},
    {"runs"},
    {"nni_bridge", "studies"},
    {"cli"},
]
ROW_OF = {room: number for number, rooms in enumerate(ROWS) for room in rooms}
# The package itself only registers and re-exports; `python -m alphanet_plugin` is the command line,
# `python -m alphanet_plugin.timm` runs other programs.
TOP = {"__init__": {"models", "spaces", "others_notes"}, "__main__": {"cli"}, "timm": {"errors"}}


def room_of(file):
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(file):
    """Rooms that a file imports, wherever in it: at its top, in a function, or for types only."""
    package = ("alphanet_plugin", *file.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            # `from .. import store` names the room itself
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for parts in names:
            if parts[0] == "alphanet_plugin":
                yield node.lineno, parts[1] if len(parts) > 1 else "__init__"


def test_every_room_is_in_the_table():
    found = {room_of(file) for file in FILES}
    assert found - set(TOP) <= set(ROW_OF), "give the new room a row here, and in the table of rooms"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_lean_one_way(file):
    room = room_of(file)
    for line, other in imported_rooms(file):
        where = f"{file.relative_to(PACKAGE)}:{line} imports {other}"
        if room in TOP:
            assert other in TOP[room], where
        elif other not in ROW_OF:
            # names of the package itself (get_space, Arch, __version__) come through its __init__, which imports models
            pytest.fail(f"{where}, which is no room; import it from where it lives")
        elif other != room:
            assert ROW_OF[other] < ROW_OF[room], f"{where}, not of a row above its own"


def imported_packages(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("room", ["spaces", "errors", "store", "hub"])
def test_rooms_without_torch(room):
    for file in FILES:
        if room_of(file) == room:
            assert not {"torch", "timm", "torchvision"} & set(imported_packages(file)), file


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("nni", {"nni_bridge"}),
        ("accelerate", {"training", "runs", "nni_bridge", "cli"}),
        ("matplotlib", {"report"}),
        ("sklearn", {"data", "search"}),
        ("huggingface_hub", {"hub", "weights"}),
        ("onnxruntime", {"evaluation", "export"}),
    ],
)
def test_heavy_packages_stay_in_their_rooms(package, rooms):
    for file in FILES:
        if package in imported_packages(file):
            assert room_of(file) in rooms, f"{file.relative_to(PACKAGE)} imports {package}"


@pytest.mark.parametrize(
    ("code", "rooms"),
    [
        ("from ..spaces import Arch", ["spaces"]),
        ("from .. import store, errors", ["store", "errors"]),
        ("from alphanet_plugin.weights.card import write_card", ["weights"]),
        ("import alphanet_plugin.cli", ["cli"]),
        ("def f():\n    from ..training import loop", ["training"]),
        ("from .network import AlphaNet\nimport torch", ["models"]),
        ("from ..spaces.arch import Arch", ["spaces"]),
    ],
)
def test_imports_are_read_right(tmp_path, monkeypatch, code, rooms):
    file = tmp_path / "models" / "x.py"
    file.parent.mkdir()
    file.write_text(code)
    monkeypatch.setattr("test_layers_lean_one_way.PACKAGE", tmp_path)
    assert [room for _, room in imported_rooms(file)] == rooms
