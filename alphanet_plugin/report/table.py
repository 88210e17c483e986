"""Tables of subnets, for the terminal and for model cards, and the mean Pareto accuracy in them (DepS, Table 2)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ABSENT = "-"
LEAST_NAME_WIDTH = 12  # characters; shorter names take less


@dataclass(frozen=True, kw_only=True)
class SubnetRow:
    """One subnet of a table.

    Attributes:
        name: Such as its tag.
        mflops: Multiply-adds / 1e6.
        params: Number of parameters.
        metrics: Column title to figure, in the order of the columns, such as ``{"test top-1 (%)": 97.5}``. Titles name
            the unit.
    """

    name: str
    mflops: float
    params: int
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)


def rich_table(rows: Sequence[SubnetRow], *, title: str | None = None, width: int = 80) -> Table:
    """A table for a rich console of `width` characters: long titles and names wrap, figures never do.

    Raises:
        ValueError: The figures alone take more.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    header, *cells = _cells(rows)
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    name_width, *figure_widths = _column_widths(header, cells, width - 3 * len(header) + 1)
    table.add_column(Text(header[0]), style="bold", overflow="fold", vertical="bottom", width=name_width)
    for heading, column_width in zip(header[1:], figure_widths, strict=True):
        table.add_column(Text(heading), justify="right", vertical="bottom", width=column_width)
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def print_table(rows: Sequence[SubnetRow], *, title: str | None = None, console: Console | None = None) -> None:
    """Print `rich_table` on a terminal.

    Into a pipe or a file, and where a terminal is too narrow even so, `markdown_table`: one line a row, however long.
    """
    from rich.console import Console

    console = console or Console()
    try:
        table = rich_table(rows, title=title, width=console.width) if console.is_terminal else None
    except ValueError:
        table = None
    if table is not None:
        console.print(table)
    else:
        heading = f"{title}\n\n" if title else ""
        console.out(heading + markdown_table(rows), end="", highlight=False)


def markdown_table(rows: Sequence[SubnetRow]) -> str:
    """The same table in Markdown, readable as plain text too; ends with a newline."""
    return markdown_lines(_cells(rows))


def _cells(rows: Sequence[SubnetRow]) -> list[list[str]]:
    """Titles, then one line a row."""
    titles = list(dict.fromkeys(title for row in rows for title in row.metrics))
    decimals = 1 if any(row.mflops >= 100 for row in rows) else 2
    header = ["name", "MFLOPs", "parameters (M)", *titles]
    return [
        header,
        *(
            [
                row.name,
                f"{row.mflops:.{decimals}f}",
                f"{row.params / 1e6:.2f}",
                *(_figure(row.metrics.get(title)) for title in titles),
            ]
            for row in rows
        ),
    ]


def _figure(value: float | None) -> str:
    return ABSENT if value is None or math.isnan(value) else f"{value:.2f}"


def _column_widths(header: Sequence[str], cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """Characters of each column: titles of figures on two lines, or on more where `room` is short; names the rest."""
    longest = [max((len(row[column]) for row in cells), default=0) for column in range(len(header))]
    longest_name = max(longest[0], len(header[0]))
    least_name = min(longest_name, LEAST_NAME_WIDTH)
    for title_width in (_two_line_width, _longest_word):
        figures = [max(widest, title_width(title)) for title, widest in zip(header[1:], longest[1:], strict=True)]
        left = room - sum(figures)
        if left >= least_name:
            return [min(longest_name, left), *figures]
    raise ValueError(f"{len(figures)} columns of figures do not fit; {least_name - left} more characters are needed")


def _two_line_width(title: str) -> int:
    words = title.split()
    return min(max(len(" ".join(words[:cut])), len(" ".join(words[cut:]))) for cut in range(1, len(words) + 1))


def _longest_word(title: str) -> int:
    return max(map(len, title.split()))


def csv_lines(lines: Iterable[Iterable[Any]]) -> str:
    """Rows as comma-separated values, titles first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def markdown_lines(lines: Sequence[Sequence[str]]) -> str:
    """A table of cells, titles first, readable as plain text too: names to the left, figures to the right."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    widths = [max(3, *(len(line[column]) for line in cells)) for column in range(len(cells[0]))]
    header, *rows = (
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        for line in cells
    )
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in [header, rule, *rows])


def mean_pareto_accuracy(costs: Sequence[float], accuracies: Sequence[float]) -> float:
    """The area under accuracy over cost, by trapezoids, with costs scaled to [0, 1] between the least and the greatest.

    The paper's points are not the best of a search but six given networks; which points are taken is the caller's to
    say beside the figure.

    Args:
        costs: Multiply-adds or latencies of networks, in any unit and order.
        accuracies: Theirs, in any unit, which is the result's too.

    Raises:
        ValueError: The two differ in length, hold fewer than two costs or the same cost twice, or a number that is not
            finite.
    """
    if len(costs) != len(accuracies):
        raise ValueError(f"{len(costs)} costs and {len(accuracies)} accuracies; give one accuracy for each cost")
    if not all(map(math.isfinite, [*costs, *accuracies])):
        raise ValueError("costs and accuracies must be finite numbers")
    if len(set(costs)) < max(2, len(costs)):
        raise ValueError("an area needs two networks or more, each of another cost")
    points = sorted(zip(costs, accuracies, strict=True))
    area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    return area / (points[-1][0] - points[0][0])
