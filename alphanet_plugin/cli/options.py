"""Options that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ..shipped import shipped_config
from ..spaces import Arch, SearchSpace

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..runs import TrainedRun


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


def read_run_arch(text: str, trained: TrainedRun) -> Arch:
    """An arch of a run: as `read_arch_option`, or ``front1`` and so on of the Pareto front of its last search.

    Raises:
        ValueError: There is no such arch.
    """
    from ..runs import search_front

    if not (text.startswith("front") and text[5:].isdecimal()):
        return read_arch_option(text, trained.space)
    front, number = search_front(trained), int(text[5:])
    if not 1 <= number <= len(front):
        known = f"it has front1 to front{len(front)}" if front else "there was no search; `alphanet search` makes one"
        raise ValueError(f"no arch {text} in the Pareto front of {trained.folder.path}; {known}")
    return front[number - 1].arch


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
