"""Tables in Markdown."""

from collections.abc import Sequence


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
