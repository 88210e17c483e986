"""Spaces, strategies, evaluators and experiments for NNI 3.0.

What is not used is not imported: NNI's NAS takes seconds.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "EvolutionTuner": "tuner",
}

__all__ = ["EvolutionTuner"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOMES)}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
