"""Frozen dataclasses from YAML and back, with errors that name the key."""

from __future__ import annotations

import dataclasses
import math
import string
import types
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from ..errors import ConfigError, brief
from ..nearest import did_you_mean
from ..shipped import config_hint, shipped, shipped_config
from ..yaml_text import number_from_text, parse_yaml

UNBOUNDED = "unbounded"
"""Metadata of a number that may be infinite."""

T = TypeVar("T")

_WORD = f"{string.ascii_letters}{string.digits}_"
_LARGEST = 2**63 - 1  # of a whole number: what numpy, torch and files take


def read_config(schema: type[T], path: str | PathLike[str], overrides: Sequence[str] = ()) -> T:
    """The dataclass `schema` from a YAML file, with ``key.subkey=value`` overrides (values are YAML).

    Another ``name`` of a section that comes in several kinds (``kd.name=kl``) leaves the old kind's keys out.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong; the message names it and what is allowed.
    """
    values = read_mapping(path)
    if "recipe" in {field.name for field in dataclasses.fields(schema)}:  # type: ignore[arg-type]
        for override in overrides:
            if override.partition("=")[0].strip() == "recipe":
                _override(schema, values, override)
        values = with_recipe(values)  # so that overrides find its phases
    for override in overrides:
        _override(schema, values, override)
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
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a null character in the path
        hint = config_hint(str(path)) if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}{hint}") from error
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(values).__name__}")
    return values


def with_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over those of the recipe that they name, if any.

    Raises:
        ConfigError: There is no such recipe.
    """
    name = values.get("recipe")
    if name is None:
        return dict(values)
    return merge(read_mapping(recipe_file(name)), values)


def recipe_file(name: Any) -> Path:
    """Where a recipe lies: one of the shipped ones by name, or the path of one's own.

    Raises:
        ConfigError: There is none.
    """
    if isinstance(name, str) and Path(name).suffix in (".yaml", ".yml"):
        return shipped_config(name)
    known = list_recipes()
    if name in known:
        return shipped("configs/recipes") / f"{name}.yaml"
    file = config_hint(f"{name}.yaml").removeprefix("; ")
    hint = did_you_mean(name, known, file or f"known are {', '.join(known)}, or the path of a YAML file")
    raise ConfigError(f"recipe: there is no {brief(name)}; {hint}")


def list_recipes() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(file.stem for file in shipped("configs/recipes").glob("*.yaml"))


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `base`, key by key; a section that is given another ``name`` replaces the old one as a whole.

    Keys and values over a list of named sections change those of these names: ``phases: {shrink: {restart: true}}``.

    Raises:
        ConfigError: No section of the list is called so.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, list) and isinstance(value, Mapping):
            value = _merge_entries(old, value, str(key))
        elif isinstance(old, Mapping) and isinstance(value, Mapping) and not _renamed(old, value):
            value = merge(old, value)
        merged[key] = value
    return merged


def _merge_entries(entries: Sequence[Any], changes: Mapping[str, Any], where: str) -> list[Any]:
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    if unknown := [name for name in changes if name not in names]:
        hint = did_you_mean(unknown[0], map(str, names))
        raise ConfigError(f"{where}.{unknown[0]!s:.60}: no entry is called so; {hint}")
    given = {name: change for name, change in changes.items() if isinstance(change, Mapping)}
    return [merge(entry, given[name]) if name in given else entry for name, entry in zip(names, entries, strict=True)]


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "name" in new and new["name"] != old.get("name", new["name"])


def from_dict(schema: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """The dataclass `schema` from nested mappings; `where` prefixes keys in errors."""
    fields = {field.name: field for field in dataclasses.fields(schema)}  # type: ignore[arg-type]
    if "recipe" in fields:
        values = with_recipe(values)
    hints = get_type_hints(schema)
    for key in values:
        if key not in fields:
            raise ConfigError(_unknown(f"{where}{key!s:.60}", str(key), fields))
    arguments = {key: _convert(value, hints[key], f"{where}{key}") for key, value in values.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where}{name} is missing; give it, as it has no default")
        value = arguments.get(name)
        if isinstance(value, str) and not value.strip() and field.default != "":
            raise ConfigError(f"{where}{name} is empty; give text{'' if required else ', or leave the key out'}")
    try:
        config = schema(**arguments)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(_placed(where, str(error), fields)) from error
    for name, value in arguments.items():
        if not fields[name].metadata.get(UNBOUNDED):
            _check_finite(value, f"{where}{name}")  # after what a section says of its own values
    return config


def _placed(where: str, message: str, fields: Mapping[str, Any]) -> str:
    """What a section says of itself, behind its name: "data.workers must ...", but "data: give one of ..."."""
    if not where.endswith(".") or message[: len(message) - len(message.lstrip(_WORD))] in fields:
        return f"{where}{message}"
    return f"{where[:-1]}: {message}"


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


def flat(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """The same with dotted keys, without the mappings; one that is empty stays."""
    dotted: dict[str, Any] = {}
    for key, value in values.items():
        dotted |= flat(value, f"{where}{key}.") if isinstance(value, Mapping) and value else {f"{where}{key}": value}
    return dotted


def _override(schema: Any, values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"--set takes key=value, such as training.epochs=10, not {brief(override)}")
    *parents, last = path.strip().split(".")
    inside: Any = values
    for parent in parents:
        inside = inside.setdefault(parent, {}) if isinstance(inside, dict) else _entry(inside, parent, override)
        if not isinstance(inside, (dict, list)):
            raise ConfigError(f"--set {override:.60}: {parent:.60} holds no keys")
    value = parse_yaml(text, f"--set {override:.60}: the value")
    if not isinstance(inside, dict):
        raise ConfigError(f"--set {override:.60}: name an entry of the list and a key, such as phases.full.share=0.5")
    kinds = _kinds(schema, parents) if last == "name" else []
    if kinds and inside.get("name", kinds[0]) != value:
        inside.clear()  # the keys are another kind's
    inside[last] = value


def _kinds(schema: Any, path: Sequence[str]) -> list[str]:
    """The names that tell apart the kinds of the section at a path, the default first; none where it has one kind."""
    hint: Any = schema
    for key in path:
        if get_origin(hint) is tuple:  # a list of sections, and the key one of their names
            hint = get_args(hint)[0]
            continue
        hint = get_type_hints(hint).get(key) if dataclasses.is_dataclass(hint) else None
        kinds = [kind for kind in get_args(hint) if dataclasses.is_dataclass(kind)] if _is_union(hint) else []
        if len(kinds) > 1:
            return [_name_of(kind) for kind in kinds]
        hint = kinds[0] if kinds else next(iter(_without_none(hint)), None)
    return []


def _name_of(kind: Any) -> str:
    """Of one of several kinds of a section."""
    return get_args(get_type_hints(kind)["name"])[0]


def _without_none(hint: Any) -> tuple[Any, ...]:
    return tuple(one for one in get_args(hint) if one is not type(None)) if _is_union(hint) else (hint,)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _entry(entries: list[Any], name: str, override: str) -> Any:
    """The entry of a list of sections that is called so."""
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    if name in names:
        return entries[names.index(name)]
    raise ConfigError(f"--set {override:.60}: no entry is called {name:.60}; {did_you_mean(name, map(str, names))}")


def _unknown(where: str, key: str, known: Mapping[str, Any]) -> str:
    return f"{where} is no key; {did_you_mean(key, known)}"


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin = get_origin(hint)
    if _is_union(hint):
        return _convert_union(value, get_args(hint), where)
    if origin is Literal:
        if value is False and "no" in get_args(hint):  # YAML 1.1 reads a bare no as false
            value = "no"
        if value not in get_args(hint):
            raise ConfigError(f"{where} must be one of {', '.join(map(repr, get_args(hint)))}, not {brief(value)}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            brackets = f"; put it in brackets: [{value}]" if _is_scalar(value) and len(str(value)) < 40 else ""
            raise ConfigError(f"{where} takes a list, not {brief(value)}{brackets}")
        return tuple(_convert(item, get_args(hint)[0], f"{where}[{place}]") for place, item in enumerate(value))
    if origin in (dict, Mapping) or dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} holds keys and values, not {brief(value)}")
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
    by_name = {_name_of(schema): schema for schema in schemas}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must hold keys and values, such as name: {next(iter(by_name))}, not {brief(value)}")
    name = value.get("name", next(iter(by_name)))
    if not isinstance(name, str) or name not in by_name:
        raise ConfigError(f"{where}.name must be one of {', '.join(by_name)}, not {brief(name)}")
    return by_name[name]


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    if hint is float:
        value = number_from_text(value)
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        raise ConfigError(f"{where} takes a number up to {_LARGEST:.1e}, not {brief(value)}")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and value != value:
        raise ConfigError(f"{where} takes a number, not nan")
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        quotes = "; put text that YAML reads as something else in quotes" if hint is str and _is_scalar(value) else ""
        raise ConfigError(f"{where} takes {names.get(hint, hint.__name__)}, not {brief(value)}{quotes}")
    return value


def _is_scalar(value: Any) -> bool:
    return value is not None and not isinstance(value, (Mapping, list, tuple))


def _check_finite(value: Any, where: str) -> None:
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, float) and not math.isfinite(number):
            raise ConfigError(f"{where} takes a number, not {number}")
