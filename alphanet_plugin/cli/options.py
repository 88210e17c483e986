"""Options that several verbs share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import brief
from ..shipped import shipped_config
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


def read_arch_option(text: str, space: SearchSpace) -> Arch:
    """An arch from a preset's name, ``largest``, ``smallest``, a YAML file, or the printed form."""
    from ..config import read_mapping

    if text in space.presets:
        return space.presets[text]
    if text in ("largest", "smallest"):
        return getattr(space, text)()
    if text.endswith((".yaml", ".yml", ".json")):
        return space.validate(read_mapping(text))
    if "=" not in text:
        presets = ", ".join(space.presets)
        raise ValueError(
            f"no arch {brief(text)}: give a preset ({presets}), largest, smallest, a YAML file, or 'resolution=192 ...'"
        )
    return space.parse(text)
