"""What a result depends on: all values of a configuration that are neither defaults nor free."""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any

from .reading import to_dict

_FREE, _MEANS = "free", "means"
FREE = {_FREE: True}
"""Metadata of a field that changes no result, and may have another value when a run is resumed."""


def free(default: Any = MISSING) -> Any:
    """A field that changes no result, and may have another value when a run is resumed."""
    return field(default=default, metadata=FREE)


def left_open(means: Any) -> Any:
    """A field that is None where nothing is said, and then counts as the value `means`."""
    return field(default=None, metadata={_MEANS: means})


def identity(config: Any, *, defaults: bool = False) -> dict[str, Any]:
    """What the result of a configuration depends on, as JSON values.

    Args:
        config: A dataclass, sections and all.
        defaults: Keep values that are at their default too, as a model card shows them. Without them a key that comes
            into configurations later leaves the identity of today's runs as it is. A section's ``name`` always stays.
    """
    values: dict[str, Any] = {}
    for one in fields(config):
        value = getattr(config, one.name)
        if one.metadata.get(_FREE):
            continue
        if is_dataclass(value):
            if section := identity(value, defaults=defaults):
                values[one.name] = section
        elif defaults or one.name == "name" or not _is_default(one, value):
            values[one.name] = _values_of(value, defaults)
    return values


def _values_of(value: Any, defaults: bool) -> Any:
    """JSON values of one field; of a list of sections the identity of each."""
    if isinstance(value, tuple) and value and all(map(is_dataclass, value)):
        return [identity(item, defaults=defaults) for item in value]
    return to_dict(value)


def _is_default(one: Field[Any], value: Any) -> bool:
    return (one.default is not MISSING and value == one.default) or value == one.metadata.get(_MEANS, MISSING)
