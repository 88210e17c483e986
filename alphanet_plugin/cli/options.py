"""Options that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AlphaNetError, brief, one_line
from ..nearest import did_you_mean, nearest, path_hint
from ..spaces import Arch, SearchSpace
from ..store import read_folder_config

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..runs import TrainedRun


_AGAIN = "; publish or import it again"


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``--set key=value``, any number of times."""
    parser.add_argument(
        "--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[],
        help="override a key of the configuration, such as training.epochs=10; may be given several times",
    )  # fmt: skip


def add_resume_from(parser: argparse.ArgumentParser) -> None:
    """``--resume-from CHECKPOINT``."""
    parser.add_argument(
        "--resume-from", metavar="CHECKPOINT|RUN",
        help="go on from this checkpoint although the configuration has changed, as with a lower training.lr; the "
        "run's resumed.jsonl records what did",
    )  # fmt: skip


def read_run_config(path: str, overrides: list[str]) -> RunConfig:
    """A configuration as `alphanet_plugin.runs.read_config` reads it."""
    from ..runs import read_config

    return read_config(path, overrides)


def load_model(name: str) -> Any:
    """A model with weights: a name for `timm.create_model`, or the path of a folder that holds config.json and weights.

    Raises:
        ValueError: There is no such model, or it has no weights.
    """
    import timm

    folder = Path(name).is_dir()
    if not folder and "/" in name and ":" not in name:
        raise ValueError(f"there is no folder {name}{path_hint(name)}; give a folder, or a model's name")
    if folder:
        try:
            read_folder_config(Path(name))
        except (OSError, ValueError) as error:
            raise ValueError(f"{name} holds no model that timm reads: {one_line(error, 400)}{_AGAIN}") from error
    try:
        return timm.create_model(f"local-dir:{name}" if folder else name, pretrained=True)
    except AlphaNetError:
        raise
    except (RuntimeError, LookupError, TypeError, AttributeError) as error:  # timm's, on what it does not know
        what = "holds no model that timm reads" if folder else "is neither a folder nor a model with weights"
        kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "  # whose text alone says little
        hint = _AGAIN if folder else model_hint(name)
        raise ValueError(f"{name} {what}: {kind}{one_line(error, 400)}{hint}") from error


def model_hint(name: str) -> str:
    """As `path_hint`, of models of timm's, with their tag if `name` has one, and of folders."""
    import timm

    known = timm.list_models(pretrained=True) if "." in name else timm.list_models()
    near = None if name in known else nearest(name, known)
    return path_hint(name) if near is None else f"; did you mean {near}?"


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
    from ..config import read_mapping

    if text in space.presets:
        return space.presets[text]
    if text in ("largest", "smallest"):
        return getattr(space, text)()
    if text.endswith((".yaml", ".yml", ".json")):
        return space.validate(read_mapping(text))
    if "=" not in text:
        hint = did_you_mean(text, [*space.presets, "largest", "smallest"])
        raise ValueError(f"no arch {brief(text)}, nor a YAML file or the printed form, 'resolution=192 ...'; {hint}")
    return space.parse(text)
