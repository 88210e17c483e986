"""Frozen dataclasses from YAML and back, with errors that name the key."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from ..errors import ConfigError

T = TypeVar("T")


def read_config(schema: type[T], path: str | PathLike[str], overrides: Sequence[str] = ()) -> T:
    """The dataclass `schema` from a YAML file, with ``key.subkey=value`` overrides (values are YAML).

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong; the message names it and what is allowed.
    """
    values = read_mapping(path)
    for override in overrides:
        _override(values, override)
    try:
        return from_dict(schema, values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_mapping(path: str | PathLike[str]) -> dict[str, Any]:
    """What a YAML file holds.

    Raises:
        ConfigError: It cannot be read, or holds something else than keys and values.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(values).__name__}")
    return values


def from_dict(schema: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """The dataclass `schema` from nested mappings; `where` prefixes keys in errors."""
    fields = {field.name: field for field in dataclasses.fields(schema)}  # type: ignore[arg-type]
    hints = get_type_hints(schema)
    for key in values:
        if key not in fields:
            raise ConfigError(_unknown(f"{where}{key}", str(key), fields))
    arguments = {key: _convert(value, hints[key], f"{where}{key}") for key, value in values.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where}{name} is missing")
    try:
        return schema(**arguments)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{where}{error}") from error


def to_dict(config: Any) -> Any:
    """Plain mappings, lists and scalars, as YAML and JSON hold them."""
    if dataclasses.is_dataclass(config):
        return {field.name: to_dict(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: to_dict(value) for key, value in config.items()}
    if isinstance(config, (tuple, list)):
        return [to_dict(item) for item in config]
    return config


def to_yaml(config: Any) -> str:
    """What `read_config` reads back."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """The keys, dotted, whose values differ between two results of `to_dict`."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [name for key in keys for name in differences(one.get(key), other.get(key), f"{where}{key}.")]
    return [] if one == other else [where.removesuffix(".")]


def _override(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"--set takes key=value, such as training.epochs=10, not {override!r}")
    *parents, last = path.strip().split(".")
    for parent in parents:
        child = values.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {parent} holds no keys")
        values = child
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from error


def _unknown(where: str, key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"{where} is no key; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(hint), where)
    if origin is Literal:
        if value is False and "no" in get_args(hint):  # YAML 1.1 reads a bare no as false
            value = "no"
        if value not in get_args(hint):
            raise ConfigError(f"{where} must be one of {', '.join(map(repr, get_args(hint)))}, not {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} takes a list, not {value!r}")
        return tuple(_convert(item, get_args(hint)[0], f"{where}[{place}]") for place, item in enumerate(value))
    if origin in (dict, Mapping) or dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} holds keys and values, not {value!r}")
        if origin in (dict, Mapping):  # values of any kind
            return dict(value)
        return from_dict(hint, value, f"{where}.")  # type: ignore[arg-type]
    return _convert_scalar(value, hint, where)


def _convert_union(value: Any, hints: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in hints:
        return None
    hints = tuple(hint for hint in hints if hint is not type(None))
    if all(dataclasses.is_dataclass(hint) for hint in hints) and len(hints) > 1:
        return _convert(value, _named(value, hints, where), where)
    errors = []
    for hint in hints:
        try:
            return _convert(value, hint, where)
        except ConfigError as error:
            errors.append(error)
    raise errors[-1]


def _named(value: Any, schemas: tuple[Any, ...], where: str) -> Any:
    """The one of several dataclasses whose ``name`` is the value's; the first where it names none."""
    by_name = {get_args(get_type_hints(schema)["name"])[0]: schema for schema in schemas}
    name = value.get("name", next(iter(by_name))) if isinstance(value, Mapping) else None
    if name not in by_name:
        raise ConfigError(f"{where}.name must be one of {', '.join(by_name)}, not {name!r}")
    return by_name[name]


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    if hint is float and isinstance(value, str):
        value = _float_from_text(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise ConfigError(f"{where} takes {names.get(hint, hint.__name__)}, not {value!r}")
    return value


def _float_from_text(value: str) -> float | str:
    """YAML 1.1 reads 1e-5 as text; people mean the number."""
    try:
        return float(value)
    except ValueError:
        return value
