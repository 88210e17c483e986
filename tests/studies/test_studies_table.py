"""A study's table."""

import pytest

from alphanet_plugin.studies.cell_kind import CellOutcome
from alphanet_plugin.studies.grid import Cell
from alphanet_plugin.studies.results import PARETO, StudyResults
from alphanet_plugin.studies.table import markdown

COSTS = {"small": 1.0, "middle": 2.0, "odd": 2.5, "large": 3.0}


def run(arm, seed, **top1):
    columns = {name: {"top1": value, "mflops": COSTS[name]} for name, value in top1.items()}
    return Cell("", arm, seed, None, tuple(top1), {}), CellOutcome(columns=columns, seconds=1.0)


def test_an_arm_with_archs_of_its_own():
    runs = [
        *(run("all", seed, small=60.0 + seed, middle=70.0, large=80.0) for seed in (0, 1)),
        *(run("own", seed, small=62.0 + seed, odd=66.0, large=82.0) for seed in (0, 1)),
    ]
    results = StudyResults(runs, (), summary=PARETO)
    figures = {(one.arm, one.column): one for one in results.figures("all")}
    assert figures["own", "small"].difference.mean == pytest.approx(2.0)
    assert figures["own", "odd"].difference is None, "the baseline has no such arch"
    # trapezoids over (cost - 1) / 2: 0, 0.5, 1 and 0, 0.75, 1
    assert figures["all", PARETO].top1.mean == pytest.approx((65.25 + 75.0) / 2)
    assert figures["own", PARETO].top1.mean == pytest.approx(0.75 * 64.25 + 0.25 * 74.0)
    assert figures["own", PARETO].p_holm is not None
    first, _, mine, theirs = markdown(results.figures("all"), "all").splitlines()[2:6]
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == ["", "small (1M)", "middle (2M)", "large (3M)", "odd (2.5M)", "mean Pareto of 3", "n"]
    assert mine.count(" - ") == theirs.count(" - ") == 1
