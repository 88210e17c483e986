"""Options that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ..shipped import shipped
from ..spaces import Arch, SearchSpace

if TYPE_CHECKING:
    from ..config import RunConfig


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``--set key=value``, any number of times."""
    parser.add_argument(
        "--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[],
        help="override a key of the configuration, such as training.epochs=10; may be given several times",
    )  # fmt: skip


def read_run_config(path: str, overrides: list[str]) -> RunConfig:
    """A configuration by its path; a name such as ``configs/digits.yaml`` that is not there means the shipped file."""
    from ..config import RunConfig, read_config

    return read_config(RunConfig, shipped_config(path), overrides)


def shipped_config(path: str) -> Path:
    """The path, or where there is no such file and it begins with ``configs/``, the shipped file of that name."""
    file = Path(path)
    if not file.exists() and path.startswith("configs/"):
        try:
            return shipped(path)
        except FileNotFoundError:
            folder = shipped("configs")
            files = sorted(folder.rglob("*.yaml"), key=lambda other: (len(other.parts), other))
            known = ", ".join(f"configs/{other.relative_to(folder)}" for other in files)
            raise FileNotFoundError(f"there is no {path}, here or among the shipped ones: {known}") from None
    return file


def read_arch_option(text: str, space: SearchSpace) -> Arch:
    """An arch from a preset's name, ``largest``, ``smallest``, a YAML file, or the printed form."""
    if text in space.presets:
        return space.presets[text]
    if text in ("largest", "smallest"):
        return getattr(space, text)()
    if text.endswith((".yaml", ".yml", ".json")):
        values = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"{text} must hold the fields of an arch")
        return space.validate(values)
    if "=" not in text:
        presets = ", ".join(space.presets)
        raise ValueError(
            f"no arch {text!r}: give a preset ({presets}), largest, smallest, a YAML file, or 'resolution=192 ...'"
        )
    return space.parse(text)
