"""`hpo.tuner` under the name that older programs have."""

from .hpo.tuner import EvolutionTuner

__all__ = ["EvolutionTuner"]
