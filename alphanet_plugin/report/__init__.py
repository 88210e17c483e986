"""Tables and pictures of what was searched and published. Neither torch nor matplotlib is imported with it."""

from .pareto_plot import plot_pareto
from .rates import RateTrial, plot_rates, rates_table
from .table import SubnetRow, markdown_table, print_table, rich_table

__all__ = [
    "RateTrial", "SubnetRow", "markdown_table", "plot_pareto", "plot_rates", "print_table", "rates_table", "rich_table",
]  # fmt: skip
