"""Search for good subnets under a range of MFLOPs: evolution, its history file, Pareto sets. No torch here."""

from .cost import Cost, mflops_cost, params_cost
from .evaluated import Evaluated
from .evolution import EvolutionSearch
from .evolution_rounds import EvolutionRounds, next_batch
from .history import HistoryEntry, SearchHistory, read_history
from .parents import select_parents
from .pareto import best_of_bins, best_under, pareto_front, pick_spread
from .proposals import Proposals

__all__ = [
    "Cost", "Evaluated", "EvolutionRounds", "EvolutionSearch", "HistoryEntry", "Proposals", "SearchHistory",
    "best_of_bins", "best_under", "mflops_cost", "next_batch", "params_cost", "pareto_front", "pick_spread",
    "read_history", "select_parents",
]  # fmt: skip
