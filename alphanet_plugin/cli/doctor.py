"""versions, devices, threads and the store; what is missing for which extra

Ends with status 0 whatever it finds; what to do about a finding stands beside it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from ..errors import one_line
from .process import version

_OURS = "alphanet-plugin"
_LOADED = ("torch", "torchvision")
_SHOWN = ("torch", "torchvision", "timm", "accelerate", "nni", "safetensors", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    found = {
        "versions": _versions(), "devices": _devices(), "threads": _threads(), "store": _store(), "extras": _extras(),
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for section, lines in found.items():
        for number, (name, value) in enumerate(lines.items()):
            print(f"{section if not number else '':<9} {name:<18} {value}")


def _versions() -> dict[str, str]:
    versions = {"alphanet": version(), "python": f"{platform.python_version()} ({sys.executable})"}
    return {**versions, **{name: _described(name) for name in _SHOWN}}


def _described(package: str) -> str:
    """Its version, and why it cannot be loaded if that is so; torchvision may be made for another torch."""
    version = _version(package)
    if version is None:
        return "not installed"
    if package not in _LOADED:
        return version
    try:
        import_module(package)
    except (ImportError, RuntimeError, OSError) as error:
        return f"{version} (cannot be loaded: {one_line(error, 200)}; take torch and torchvision from one index)"
    return version


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, str]:
    try:
        import torch
    except (ImportError, OSError):
        return {"cpu": f"{os.cpu_count()} cores, {platform.machine()}"}
    cuda = torch.version.cuda or "none: torch is built for CPUs"
    gpus = {f"cuda:{number}": torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())}
    return {"cpu": f"{os.cpu_count()} cores, {platform.machine()}", "cuda": cuda, **(gpus or {"GPUs": "none found"})}


def _threads() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    try:
        import torch

        from ..supernet import describe_kernels

        loaded = {"torch": str(torch.get_num_threads()), "kernels": describe_kernels()}
    except (ImportError, RuntimeError, OSError):  # as `versions` says
        loaded = {"torch": "cannot be loaded"}
    return {**loaded, **{name: os.environ.get(name, "not set") for name in names}}


def _store() -> dict[str, str]:
    from .. import hub, store

    home = store.home()
    place = home if home.exists() else next((parent for parent in home.parents if parent.exists()), Path("/"))
    writable = "can be written" if os.access(place, os.W_OK) else "cannot be written: set ALPHANET_HOME to one that can"
    return {
        "folder": f"{home} ({writable})",
        "published": f"{len(store.list_published())} models",
        hub.VARIABLE: os.environ.get(hub.VARIABLE, "not set"),
    }


def _extras() -> dict[str, str]:
    """What is missing for each extra of this package, and what installs it."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    requirements = [Requirement(text) for text in metadata.requires(_OURS) or []] if _version(_OURS) else []
    for extra in sorted(metadata.metadata(_OURS).get_all("Provides-Extra") or []) if requirements else []:
        wanted = [one for one in requirements if one.marker and _of(one.marker, extra) and not _of(one.marker, "")]
        missing = [str(one).partition(";")[0].strip() for one in wanted if not _installed(one)]
        found[extra] = f"lacks {', '.join(missing)}: pip install {shlex.join(missing)}" if missing else "complete"
    return found or {"": f"{_OURS} is not installed as a package"}


def _of(marker: Any, extra: str) -> bool:
    return marker.evaluate({"extra": extra})


def _installed(requirement: Any) -> bool:
    version = _version(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)
