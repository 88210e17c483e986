"""Tables and pictures of what was searched and published. Neither torch nor matplotlib is imported with it."""

from .pareto_plot import plot_pareto
from .table import SubnetRow, markdown_table, print_table, rich_table

__all__ = ["SubnetRow", "markdown_table", "plot_pareto", "print_table", "rich_table"]
