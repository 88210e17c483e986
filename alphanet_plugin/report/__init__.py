"""Tables and pictures of what was searched, compared and published. Importing it imports no torch or matplotlib."""

from .cost_plot import plot_costs
from .curve_plot import plot_curves
from .divergence_plot import DivergenceExample, plot_divergences
from .gradient_plot import plot_gradients
from .page import PageModel, PagePhase, PageRun, PageSubnet, PageTable, write_page
from .pareto_plot import plot_fronts, plot_pareto
from .rates import RateTrial, plot_rates, rates_table
from .regime_plot import plot_boxes, plot_relative
from .table import (
    ABSENT,
    SubnetRow,
    csv_lines,
    markdown_lines,
    markdown_table,
    mean_pareto_accuracy,
    print_table,
    rich_table,
)
from .training_plot import PhaseCurve, plot_timeline, plot_training, thinned

__all__ = [
    "ABSENT", "DivergenceExample", "PageModel", "PagePhase", "PageRun", "PageSubnet", "PageTable", "PhaseCurve",
    "RateTrial", "SubnetRow", "csv_lines", "markdown_lines", "markdown_table", "mean_pareto_accuracy", "plot_boxes",
    "plot_costs", "plot_curves", "plot_divergences", "plot_fronts", "plot_gradients", "plot_pareto", "plot_rates",
    "plot_relative", "plot_timeline", "plot_training", "print_table", "rates_table", "rich_table",
    "thinned", "write_page",
]  # fmt: skip
