"""Options that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AlphaNetError, one_line
from ..nearest import nearest, path_hint
from ..spaces import Arch
from ..store import read_folder_config

if TYPE_CHECKING:
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


def load_model(name: str, pretrained: bool = True, **options: Any) -> Any:
    """A name for `timm.create_model`, or the path of a folder that holds config.json and weights.

    Args:
        name: One of them.
        pretrained: With its weights.
        options: Of `timm.create_model`.

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
        return timm.create_model(f"local-dir:{name}" if folder else name, pretrained=pretrained, **options)
    except AlphaNetError:
        raise
    except (RuntimeError, LookupError, TypeError, AttributeError, AssertionError) as error:  # timm's, of the unknown
        what = "is neither a folder nor a model" + (" with weights" if pretrained else " that timm builds so")
        what = "holds no model that timm reads" if folder else what
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
    """An arch of a run: as `named_arch`, or ``front1`` and so on of the Pareto front of its last search.

    Raises:
        ValueError: There is no such arch.
    """
    from ..models import named_arch
    from ..runs import search_front

    if not (text.startswith("front") and text[5:].isdecimal()):
        return named_arch(text, trained.space)
    front, number = search_front(trained), int(text[5:])
    if not 1 <= number <= len(front):
        known = f"it has front1 to front{len(front)}" if front else "there was no search; `alphanet search` makes one"
        raise ValueError(f"no arch {text} in the Pareto front of {trained.folder.path}; {known}")
    return front[number - 1].arch
