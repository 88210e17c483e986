"""list the models that timm knows from here, and the published weights"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--published", action="store_true", help="only what has weights in the local store")


def run(arguments: argparse.Namespace) -> None:
    from .. import store
    from ..models import entry_archs
    from ..spaces import get_space

    space = get_space("attentive_nas")
    if not arguments.published:
        for name, arch in entry_archs().items():
            print(f"{name:<18} {space.mflops(arch):8.1f} MFLOPs at {arch['resolution']} pixels")
        print("alphanet_subnet    any arch: timm.create_model('alphanet_subnet', arch=...)")
    entries = store.list_published()
    print(f"published in {store.home()}:" + ("" if entries else " nothing yet; `alphanet quickstart` fills it"))
    for entry in entries:
        cfg = entry.config.get("pretrained_cfg", {})
        print(f"  {entry.name:<36} {entry.config.get('num_classes')} classes, input {cfg.get('input_size')}")
