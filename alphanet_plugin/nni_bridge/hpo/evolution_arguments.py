"""The ``classArgs`` of our evolution as a tuner, and their check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nni import ClassArgsValidator

from ...config import SearchConfig, from_dict
from ...errors import ConfigError
from ...nearest import did_you_mean

SEARCH_KEYS = tuple(field.name for field in fields(SearchConfig))
OWN_KEYS = ("run", "seed", "presets", "max_retries", "max_failures")
MAX_FAILURES = 20  # trials that fail one after the other


class EvolutionArgumentsValidator(ClassArgsValidator):
    """Checks ``classArgs`` where NNI asks for it (configurations of NNI 1 alone, so the tuner does it as well)."""

    def validate_class_args(self, **kwargs: Any) -> None:
        """Raises ConfigError, which names the argument, what it takes and what came."""
        check_arguments(kwargs)


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """ConfigError unless these can make an `EvolutionTuner`; whether the run exists is not looked at."""
    known = (*OWN_KEYS, *SEARCH_KEYS)
    for name in arguments:
        if name not in known:
            raise ConfigError(f"classArgs: {name} is no argument; {did_you_mean(name, known)}")
    if not arguments.get("run") or not isinstance(arguments["run"], str):
        raise ConfigError(f"classArgs: run names the folder of a trained run, not {arguments.get('run')!r}")
    for name, least in (("seed", 0), ("max_retries", 0), ("max_failures", 1)):
        value = arguments.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"classArgs: {name} takes a whole number of at least {least}, not {value!r}")
    presets = arguments.get("presets", [])
    if not isinstance(presets, (list, tuple)) or not all(isinstance(name, str) for name in presets):
        raise ConfigError(f"classArgs: presets takes a list of names such as [a0, a6], not {presets!r}")
    from_dict(SearchConfig, {key: value for key, value in arguments.items() if key in SEARCH_KEYS}, "classArgs: ")
