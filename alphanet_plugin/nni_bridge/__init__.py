"""Spaces, strategies, evaluators, experiments, tuner and distillers for NNI 3.0.

Importing this room imports nothing of NNI, which takes seconds: each name is fetched from its module when first asked
for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .distillers import AlphaAdaptive1dLayerwiseDistiller, AlphaLayerwiseDistiller
    from .enas_loader import repair_enas
    from .evaluator import AccelerateEvaluator
    from .experiment import run_experiment
    from .one_shot_supernet import OneShotSupernet
    from .space import AlphaNetSpace
    from .strategy import AlphaNet, KLDistill, SupernetStrategy
    from .tuner import EvolutionTuner

_MODULE_OF = {
    "AccelerateEvaluator": "evaluator",
    "AlphaAdaptive1dLayerwiseDistiller": "distillers",
    "AlphaLayerwiseDistiller": "distillers",
    "AlphaNet": "strategy",
    "AlphaNetSpace": "space",
    "EvolutionTuner": "tuner",
    "KLDistill": "strategy",
    "OneShotSupernet": "one_shot_supernet",
    "SupernetStrategy": "strategy",
    "repair_enas": "enas_loader",
    "run_experiment": "experiment",
}

__all__ = [
    "AccelerateEvaluator",
    "AlphaAdaptive1dLayerwiseDistiller",
    "AlphaLayerwiseDistiller",
    "AlphaNet",
    "AlphaNetSpace",
    "EvolutionTuner",
    "KLDistill",
    "OneShotSupernet",
    "SupernetStrategy",
    "repair_enas",
    "run_experiment",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULE_OF)}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
