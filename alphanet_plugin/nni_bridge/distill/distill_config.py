"""A distiller's config list, checked and put into the shape in which NNI hands every key on to its targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from math import isfinite
from numbers import Real
from typing import Any, cast

from nni.compression.base.config import select_modules_by_config
from nni.compression.base.setting import canonicalize_settings
from torch import nn

from .distill_losses import PARAMETERS, build_distill_loss, near

_SELECTION = ("op_names", "op_names_re", "op_types")
_ENTRY = (*_SELECTION, *(f"exclude_{key}" for key in _SELECTION), "target_names", "target_settings")
_NNI_SETTING = ("lambda", "link", "apply_method")
_OWN = tuple(dict.fromkeys(key for keys in PARAMETERS.values() for key in keys))
_OUTPUT = "_output_"  # NNI's name for every output of a module; _output_0 is the first


def checked_config_list(
    config_list: list[dict[str, Any]], student: nn.Module, teacher: nn.Module
) -> list[dict[str, Any]]:
    """A copy of `config_list` with every key checked, `lambda` a float, and our keys where NNI keeps them.

    NNI hands only lambda, link and apply_method of an entry on to its targets, so a method's own keys move to the
    entry's `target_settings`, which it hands on whole.

    Raises:
        ValueError: A key or value that is not allowed, or a name that is no module; it says which entry, what is
            allowed and what is nearest.
    """
    return [
        _checked_entry(entry, f"config_list[{place}] ({_named(entry)})", student, teacher)
        for place, entry in enumerate(config_list)
    ]


def as_nni_has_it(config_list: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same list in NNI's own words, for NNI's schema: without our keys, 'kl' for the divergences."""
    plain = deepcopy(config_list)
    for entry in plain:
        for setting in (entry, *entry.get("target_settings", {}).values()):
            for key in _OWN:
                setting.pop(key, None)
            if setting.get("apply_method", "mse") not in ("kl", "mse"):
                setting["apply_method"] = "kl"
    return plain


def own_parameters(setting: Mapping[str, Any]) -> dict[str, Any]:
    """What in the setting of a target is its method's own."""
    return {key: setting[key] for key in _OWN if key in setting}


def _checked_entry(entry: dict[str, Any], where: str, student: nn.Module, teacher: nn.Module) -> dict[str, Any]:
    entry = deepcopy(entry)
    _spread_kd(entry, where)
    _check_keys(entry, (*_ENTRY, *_NNI_SETTING, *_OWN), where)
    _check_selection(entry, where, student)
    settings = entry.setdefault("target_settings", {})
    for name in (*entry.get("target_names", ()), *settings):
        if not name.startswith(_OUTPUT):
            raise ValueError(f"{where}: NNI's distillers compare outputs only (_output_, _output_0, ...), not {name!r}")
    explicit = {name: f"{where}: target_settings[{name!r}]" for name in settings}
    for name, setting in settings.items():
        _spread_kd(setting, explicit[name])
        _check_keys(setting, (*_NNI_SETTING, *_OWN), explicit[name])
        _make_lambda_float(setting, explicit[name])
    _make_lambda_float(entry, where)
    own = {key: entry.pop(key) for key in _OWN if key in entry}
    settings[_OUTPUT] = {**own, **settings.get(_OUTPUT, {})}
    modules, shared, _ = select_modules_by_config(student, entry)
    if not modules:
        raise ValueError(f"{where}: no module of model is selected")
    for name in sorted(modules):
        for target, setting in canonicalize_settings(modules[name], shared, "distillation").items():
            _check_setting(setting, explicit.get(target, where), name, teacher)
    return entry


def _spread_kd(setting: dict[str, Any], where: str) -> None:
    """A ``kd`` section, as a run's YAML has it, stands for its name as the method and for its keys."""
    if "kd" not in setting:
        return
    section = setting.pop("kd")
    if not isinstance(section, Mapping) or "name" not in section:
        raise ValueError(f"{where}: kd is a section with a name, such as {{'name': 'adaptive_alpha'}}, not {section!r}")
    for key, value in section.items():
        key = "apply_method" if key == "name" else key
        if key in setting:
            raise ValueError(f"{where}: give kd or {key}, not both")
        setting[key] = value


def _check_selection(entry: dict[str, Any], where: str, student: nn.Module) -> None:
    if not any(key in entry for key in _SELECTION):
        raise ValueError(f"{where}: give one of {', '.join(_SELECTION)}, such as op_names: ['fc']")
    for key in (*_SELECTION, *(f"exclude_{key}" for key in _SELECTION), "target_names"):
        _check_names(entry.get(key, []), f"{where}: {key}")
    _check_modules(entry.get("op_names", []), student, f"{where}: op_names", "model")


def _check_setting(setting: dict[str, Any], where: str, name: str, teacher: nn.Module) -> None:
    link = setting.get("link")
    if link is None or link == "auto":
        advice = "link 'auto' looks for the student's names; name the teacher's by link, for"
        _check_modules([name], teacher, f"{where}: {advice}", "teacher_model")
    else:
        links = [link] if isinstance(link, str) else link
        _check_names(links, f"{where}: link")
        _check_modules(links, teacher, f"{where}: link", "teacher_model")
    try:
        build_distill_loss(setting.get("apply_method"), own_parameters(setting))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_names(names: object, where: str) -> None:
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{where} takes a list of names, got {names!r}")


def _check_keys(setting: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in setting:
        if key not in known:
            raise ValueError(f"{where}: {key!r} is no key; known are {', '.join(known)}{near(key, known)}")


def _check_modules(names: Iterable[str], model: nn.Module, where: str, which: str) -> None:
    modules = dict(model.named_modules(remove_duplicate=False))
    for name in names:
        if name not in modules:
            raise ValueError(f"{where}: {which} has no module {name!r}{near(name, modules)}")


def _make_lambda_float(setting: dict[str, Any], where: str) -> None:
    if "lambda" not in setting:
        return
    value = setting["lambda"]
    if not isinstance(value, Real) or isinstance(value, bool) or not isfinite(cast(float, value)):
        raise ValueError(f"{where}: lambda must be a finite number, got {value!r}")
    setting["lambda"] = float(value)


def _named(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {entry[key]}" for key in _SELECTION if key in entry) or "selects nothing"
