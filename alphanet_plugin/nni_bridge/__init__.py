"""Spaces, strategies, evaluators, experiments, tuner and distillers for NNI 3.0.

Three floors: `nas` (model spaces and NAS experiments), `hpo` (tuner and trials), `distill` (layerwise distillers).
Importing this room imports nothing of NNI, which takes seconds: each name is fetched from its module when first asked
for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .distill.distillers import AlphaAdaptive1dLayerwiseDistiller, AlphaLayerwiseDistiller
    from .hpo.tuner import EvolutionTuner
    from .nas.evaluator import AccelerateEvaluator
    from .nas.experiment import run_experiment
    from .nas.one_shot_supernet import OneShotSupernet
    from .nas.space import ElasticSpace, repair_enas
    from .nas.strategy import AlphaNetStrategy, KLStrategy, SupernetStrategy

_MODULE_OF = {
    "AccelerateEvaluator": "nas.evaluator",
    "AlphaAdaptive1dLayerwiseDistiller": "distill.distillers",
    "AlphaLayerwiseDistiller": "distill.distillers",
    "AlphaNetStrategy": "nas.strategy",
    "ElasticSpace": "nas.space",
    "EvolutionTuner": "hpo.tuner",
    "KLStrategy": "nas.strategy",
    "OneShotSupernet": "nas.one_shot_supernet",
    "SupernetStrategy": "nas.strategy",
    "repair_enas": "nas.space",
    "run_experiment": "nas.experiment",
}
_FORMER_NAMES = {"AlphaNet": "AlphaNetStrategy", "AlphaNetSpace": "ElasticSpace", "KLDistill": "KLStrategy"}

__all__ = [
    "AccelerateEvaluator",
    "AlphaAdaptive1dLayerwiseDistiller",
    "AlphaLayerwiseDistiller",
    "AlphaNetStrategy",
    "ElasticSpace",
    "EvolutionTuner",
    "KLStrategy",
    "OneShotSupernet",
    "SupernetStrategy",
    "repair_enas",
    "run_experiment",
]


def __getattr__(name: str) -> Any:
    name = _FORMER_NAMES.get(name, name)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULE_OF)}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
