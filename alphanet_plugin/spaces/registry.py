"""Search spaces by name."""

import difflib
from functools import cache
from typing import Any

import yaml

from ..shipped import shipped
from .attentive_nas import AttentiveNASSpace
from .mobile import MobileSpace
from .space import SearchSpace
from .table import Table, read_table
from .us_mobilenet import UsMobileNetV1Space, UsMobileNetV2Space

_SLIMMABLE: dict[str, type[SearchSpace]] = {space.name: space for space in (UsMobileNetV1Space, UsMobileNetV2Space)}


def list_spaces() -> list[str]:
    """Names that `get_space` knows."""
    return sorted([*_SLIMMABLE, *_shipped_tables()])


def get_space(name: str, **parameters: Any) -> SearchSpace:
    """The search space of that name.

    Args:
        name: One of `list_spaces()`.
        parameters: The space's own, such as ``resolutions=(32, 40, 48, 56)``.

    Raises:
        ValueError: No such space, or a parameter it does not take.
    """
    if name not in list_spaces():
        near = difflib.get_close_matches(str(name), list_spaces(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(list_spaces())}"
        raise ValueError(f"no search space {name!r}; {hint}")
    try:
        if name == "attentive_nas":  # until models and supernets are built from any table
            return AttentiveNASSpace(**parameters)
        if name in _SLIMMABLE:
            return _SLIMMABLE[name](**parameters)
        return MobileSpace(_shipped_tables()[name], shipped=True, **parameters)
    except TypeError as error:
        raise ValueError(f"search space {name!r}: {error}") from None


@cache
def _shipped_tables() -> dict[str, Table]:
    """The tables that come with this package, by name."""
    return {
        path.stem: read_table(yaml.safe_load(path.read_text(encoding="utf-8")), path.stem)
        for path in sorted(shipped("configs/spaces").glob("*.yaml"))
    }
