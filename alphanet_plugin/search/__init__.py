"""Search for good subnets within ranges of costs: evolution, its history file, Pareto sets. No torch here."""

from .evaluated import Cost, Evaluated, Limit, check_evaluated, mflops_cost, params_cost, params_limit
from .evolution import EvolutionSearch, Stage, num_promoted, promote
from .evolution_rounds import EvolutionRounds, next_batch
from .history import HistoryEntry, SearchHistory, read_history
from .pareto import best_of_bins, hypervolume, pareto_front, pick_spread
from .predictor import PREDICTORS, Predictor, RankCorrelation
from .proposals import Proposals
from .variation import select_parents

__all__ = [
    "PREDICTORS", "Cost", "Evaluated", "EvolutionRounds", "EvolutionSearch", "HistoryEntry", "Limit", "Predictor",
    "Proposals", "RankCorrelation", "SearchHistory", "Stage", "best_of_bins", "check_evaluated",
    "hypervolume", "mflops_cost", "next_batch", "num_promoted", "params_cost", "params_limit", "pareto_front",
    "pick_spread", "promote", "read_history", "select_parents",
]  # fmt: skip
