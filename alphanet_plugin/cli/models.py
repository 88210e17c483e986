"""list the models that timm knows from here, and the published weights"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..store import Published


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--published", action="store_true", help="only what has weights here")


def run(arguments: argparse.Namespace) -> None:
    from .. import hub, store

    if not arguments.published:
        _print_models()
    entries = store.list_published()
    print(f"published in {store.home()}:" + ("" if entries else " nothing yet; `alphanet quickstart` fills it"))
    _print_entries(entries)
    if copies := hub.list_copies():
        print(f"copies from {hub.organisation()} on the hub:")
        _print_entries(copies)


def _print_models() -> None:
    from ..models import FAMILIES
    from ..spaces import get_space

    for family in FAMILIES:
        for name, arch in family.archs.items():
            mflops = get_space(family.space).mflops(arch)
            print(f"{name:<22} {mflops:8.1f} MFLOPs at {arch['resolution']} pixels")
    for name in dict.fromkeys(family.any_arch for family in FAMILIES):
        arguments = "space=..., arch=..." if name == "mobile_subnet" else "arch=..."
        print(f"{name:<22} any arch: timm.create_model('{name}', {arguments})")


def _print_entries(entries: list[Published]) -> None:
    for entry in entries:
        cfg = entry.config.get("pretrained_cfg", {})
        print(f"  {entry.name:<36} {entry.config.get('num_classes')} classes, input {cfg.get('input_size')}")
