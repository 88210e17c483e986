"""Search for good subnets under a range of MFLOPs: evolution, its history file, Pareto sets. No torch here."""

from .evaluated import Evaluated
from .evolution import EvolutionSearch
from .evolution_rounds import EvolutionRounds, next_batch
from .history import HistoryEntry, SearchHistory, read_history
from .parents import select_parents
from .pareto import best_under, pareto_front, pick_spread

__all__ = [
    "Evaluated", "EvolutionRounds", "EvolutionSearch", "HistoryEntry", "SearchHistory", "best_under", "next_batch",
    "pareto_front", "pick_spread", "read_history", "select_parents",
]  # fmt: skip
