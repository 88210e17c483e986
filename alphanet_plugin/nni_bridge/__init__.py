"""Our spaces, strategies and losses where NNI's own go.

Importing this room imports nothing of NNI, which takes seconds: each name is fetched from its module when first
asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .distillers import AlphaAdaptive1dLayerwiseDistiller, AlphaLayerwiseDistiller

_MODULE_OF = {
    "AlphaAdaptive1dLayerwiseDistiller": "distillers",
    "AlphaLayerwiseDistiller": "distillers",
}

__all__ = ["AlphaAdaptive1dLayerwiseDistiller", "AlphaLayerwiseDistiller"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
