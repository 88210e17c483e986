"""Search spaces by name, or from a table of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import brief
from ..nearest import did_you_mean
from ..shipped import config_hint, shipped_config
from ..yaml_text import parse_yaml
from .mobile import MobileSpace
from .space import SearchSpace
from .table import Table, read_table, shipped_tables
from .us_mobilenet import UsMobileNetV1Space, UsMobileNetV2Space

GivenTable = str | PathLike[str] | Mapping[str, Any]

_SLIMMABLE: dict[str, type[SearchSpace]] = {space.name: space for space in (UsMobileNetV1Space, UsMobileNetV2Space)}


def list_spaces() -> list[str]:
    """Names that `get_space` knows."""
    return sorted([*_SLIMMABLE, *shipped_tables()])


def get_space(
    name: str | PathLike[str] | None = None, *, table: GivenTable | None = None, **parameters: Any
) -> SearchSpace:
    """The search space of that name, or of a table.

    Args:
        name: One of `list_spaces()`, or the path of a table (``my_space.yaml``).
        table: A table of your own: its path, or what it holds; the name is then the table's.
        parameters: The space's own, such as ``resolutions=(32, 40, 48, 56)``, and what makes a subspace, ``choices``
            and ``follow``.

    Raises:
        ValueError: No such space, a table that is not valid, or a parameter that the space does not take.
    """
    if table is None and name is not None and Path(name).suffix in (".yaml", ".yml"):
        table = name
    if table is not None:
        return _space(*_own_table(table, str(name) if isinstance(name, str) else "table"), parameters)
    known = list_spaces()
    if name not in known:
        raise ValueError(
            f"no search space {brief(name)}, and no table's path, which ends in .yaml; {did_you_mean(name, known)}"
        )
    return _space(str(name), shipped_tables().get(str(name)), parameters)


def _space(name: str, table: Table | None, parameters: Mapping[str, Any]) -> SearchSpace:
    kind = _SLIMMABLE[name] if table is None else MobileSpace
    taken = [key for key in inspect.signature(kind).parameters if key not in ("table", "own_table")]
    if wrong := [key for key in parameters if key not in taken]:
        raise ValueError(f"search space {name!r} takes {', '.join(taken)}, not {', '.join(wrong)}")
    try:
        return (
            kind(**parameters)
            if table is None
            else MobileSpace(table, own_table=name not in shipped_tables(), **parameters)
        )
    except TypeError as error:
        raise ValueError(f"search space {name!r}: {error}") from None


def _own_table(given: GivenTable, name: str) -> tuple[str, Table]:
    """A table of the user's, and its name.

    Raises:
        ValueError: It cannot be read, is not valid, or has the name of another space.
    """
    values: Any = given
    if not isinstance(given, Mapping):
        try:
            path = shipped_config(str(given))
            name, values = path.stem, parse_yaml(path.read_text(encoding="utf-8"), f"table {given}")
        except (OSError, UnicodeDecodeError) as error:
            hint = config_hint(str(given)) if isinstance(error, FileNotFoundError) else ""
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"table {given} cannot be read: {reason}{hint}") from None
    table = read_table(values, name)
    if table.name in list_spaces() and table != shipped_tables().get(table.name):
        raise ValueError(f"table {table.name}: a space of this package has that name; take another, as name: my_space")
    return table.name, table
