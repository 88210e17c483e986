"""Studies: a grid of recipes and seeds, run in parallel, resumed, compared."""

from .divergences import write_divergences
from .study import Failure, Study

__all__ = ["Failure", "Study", "write_divergences"]
