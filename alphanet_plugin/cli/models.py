"""list the models that timm knows from here, the published weights, and what could be imported"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..store import Published


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--published", action="store_true", help="only what has weights here")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    from .. import hub, store

    published, copies = store.list_published(), hub.list_copies()
    if arguments.json:
        entries = {} if arguments.published else {"entries": _entries()}
        listed = {"store": str(store.home()), "published": _as_json(published), "copies": _as_json(copies)}
        print(json.dumps({**entries, **listed}, indent=2))
        return
    if not arguments.published:
        _print_known()
    print(f"published in {store.home()}:" + ("" if published else " nothing yet; `alphanet quickstart` fills it"))
    _print_published(published)
    if copies:
        print(f"copies from {hub.organisation()} on the hub:")
        _print_published(copies)
    if not arguments.published:
        _print_imports(published)


def _entries() -> list[dict[str, Any]]:
    from ..models import FAMILIES
    from ..spaces import get_space

    return [
        {"name": name, "mflops": get_space(family.space).mflops(arch), "resolution": arch["resolution"]}
        for family in FAMILIES
        for name, arch in family.archs.items()
    ]


def _print_known() -> None:
    from ..models import FAMILIES

    for entry in _entries():
        print(f"{entry['name']:<22} {entry['mflops']:8.1f} MFLOPs at {entry['resolution']} pixels")
    for name, space in {family.any_arch: family.space for family in FAMILIES}.items():
        arguments = "arch=..." if space else "space=..., arch=..."
        print(f"{name:<22} any arch: timm.create_model('{name}', {arguments})")


def _print_published(entries: list[Published]) -> None:
    for entry in _as_json(entries):
        print(f"  {entry['name']:<36} {entry['num_classes']} classes, input {entry['input_size']}")


def _as_json(entries: list[Published]) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "num_classes": entry.config.get("num_classes"),
            "input_size": entry.config.get("pretrained_cfg", {}).get("input_size"),
            "folder": str(entry.folder),
        }
        for entry in entries
    ]


def _print_imports(published: list[Published]) -> None:
    """The released supernets whose models are not here yet."""
    from ..models import FAMILIES

    here = {(entry.architecture, entry.tag) for entry in published}
    left = [
        (family, family.released)
        for family in FAMILIES
        if family.released and not here & {(name, family.released.tag) for name in family.archs}
    ]
    if left:
        print("could be imported, from a released checkpoint that you have:")
    by_default = {family.space: family for family in reversed(FAMILIES)}
    for family, released in left:
        method = "" if family is by_default[family.space] else f" --family {family.name}"
        command = f"alphanet import CHECKPOINT --space {family.space}{method} --calibrate IMAGE_FOLDER"
        print(f"  {next(iter(family.archs))} ... ({released.license}): {command}")
