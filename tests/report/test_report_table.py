import io
import re

import pytest
from rich.console import Console

from alphanet_plugin.report import SubnetRow, markdown_table, print_table, rich_table

ROWS = [
    SubnetRow(
        name="alphanet_a0.digits",
        mflops=10.278048,
        params=3_912_345,
        metrics={"search top-1 (%)": 97.123, "test top-1 (%)": 96.0, "test top-5 (%)": 100.0},
    ),
    SubnetRow(
        name="alphanet_subnet.digits_best_of_a_long_search",
        mflops=40.8,
        params=12_000_000,
        metrics={"search top-1 (%)": 98.0, "test top-1 (%)": 97.555},
    ),
]


def printed(width, terminal=True, rows=ROWS, title="Published subnets"):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_table(rows, title=title, console=console)
    return console.file.getvalue()


def test_markdown():
    header, rule, *lines = markdown_table(ROWS).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in [header, *lines]]
    assert cells == [
        ["name", "MFLOPs", "parameters (M)", "search top-1 (%)", "test top-1 (%)", "test top-5 (%)"],
        ["alphanet_a0.digits", "10.28", "3.91", "97.12", "96.00", "100.00"],
        ["alphanet_subnet.digits_best_of_a_long_search", "40.80", "12.00", "98.00", "97.56", "-"],
    ]
    assert re.fullmatch(r"\| -+ (\| -+: ){5}\|", rule)
    assert len({len(line) for line in [header, rule, *lines]}) == 1


def test_markdown_escapes_pipes_and_stands_without_rows():
    assert "| a\\|b " in markdown_table([SubnetRow(name="a|b", mflops=1, params=1)])
    assert markdown_table([]).splitlines() == [
        "| name | MFLOPs | parameters (M) |",
        "| ---- | -----: | -------------: |",
    ]


def test_large_costs_have_one_decimal_in_the_whole_column():
    rows = [SubnetRow(name=str(m), mflops=m, params=1) for m in (99.04, 203.389568)]
    assert "|   99.0 |" in markdown_table(rows)
    assert "|  203.4 |" in markdown_table(rows)


def test_a_metric_that_is_not_a_number_is_absent():
    assert "nan" not in markdown_table([SubnetRow(name="a", mflops=1, params=1, metrics={"top-1 (%)": float("nan")})])


@pytest.mark.parametrize("width", [62, 63, 80, 120, 200])
def test_a_terminal_gets_every_name_and_figure_whole(width):
    lines = printed(width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].strip() == "Published subnets"
    rows = [line.split()[-5:] for line in lines]
    assert ["10.28", "3.91", "97.12", "96.00", "100.00"] in rows
    assert ["40.80", "12.00", "98.00", "97.56", "-"] in rows
    name_width = lines[[line.split()[:1] for line in lines].index(["name"])].index("MFLOPs")
    names = "".join(line[:name_width].strip() for line in lines)
    for row in ROWS:
        assert row.name in names


@pytest.mark.parametrize(("width", "terminal"), [(80, False), (40, False), (30, True), (61, True)])
def test_a_pipe_or_a_very_narrow_terminal_gets_markdown(width, terminal):
    assert printed(width, terminal) == "Published subnets\n\n" + markdown_table(ROWS)
    assert printed(width, terminal, title=None) == markdown_table(ROWS)


def test_a_pipe_gets_ascii():
    printed(80, terminal=False).encode("ascii")


def test_names_are_no_markup():
    row = SubnetRow(name="best[bold]of[/bold]", mflops=1, params=1)
    assert "best[bold]of[/bold]" in printed(80, rows=[row])
    assert "best[bold]of[/bold]" in printed(80, terminal=False, rows=[row])


def test_titles_take_two_lines_at_80_columns():
    header = printed(80).splitlines()[2:4]
    assert [line.split() for line in header] == [
        ["parameters", "search", "test", "test"],
        ["name", "MFLOPs", "(M)", "top-1", "(%)", "top-1", "(%)", "top-5", "(%)"],
    ]


def test_rich_table_can_be_used_by_itself():
    table = rich_table(ROWS)
    assert table.row_count == 2
    assert [str(column.header) for column in table.columns][:3] == ["name", "MFLOPs", "parameters (M)"]
    with pytest.raises(ValueError, match="5 columns of figures do not fit; 1 more characters"):
        rich_table(ROWS, width=61)
