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
    from ..models import entry_archs
    from ..spaces import get_space

    space = get_space("attentive_nas")
    if not arguments.published:
        for name, arch in entry_archs().items():
            print(f"{name:<18} {space.mflops(arch):8.1f} MFLOPs at {arch['resolution']} pixels")
        print("alphanet_subnet    any arch: timm.create_model('alphanet_subnet', arch=...)")
        for name in ("us_mobilenet_v1", "us_mobilenet_v2"):
            print(f"{name:<18} any width: timm.create_model('{name}', width=0.5)")
    entries = store.list_published()
    print(f"published in {store.home()}:" + ("" if entries else " nothing yet; `alphanet quickstart` fills it"))
    _print_entries(entries)
    if copies := hub.list_copies():
        print(f"copies from {hub.organisation()} on the hub:")
        _print_entries(copies)


def _print_entries(entries: list[Published]) -> None:
    for entry in entries:
        cfg = entry.config.get("pretrained_cfg", {})
        print(f"  {entry.name:<36} {entry.config.get('num_classes')} classes, input {cfg.get('input_size')}")
