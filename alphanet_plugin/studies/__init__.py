"""Studies: a grid of recipes and seeds, run in parallel, resumed, compared."""

from .study import Failure, Study

__all__ = ["Failure", "Study"]
