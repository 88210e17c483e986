"""`hpo.evolution_arguments` under the name by which NNI has the tuner registered that older files registered."""

from .hpo.evolution_arguments import EvolutionArgumentsValidator

__all__ = ["EvolutionArgumentsValidator"]
