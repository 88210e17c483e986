"""Benchmarks that are quick enough run as they are shown, in small."""

import runpy
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_spaces_are_measured(capsys):
    main = runpy.run_path(str(BENCHMARKS / "spaces.py"))["main"]
    main(["ofa_mbv3_cifar", "us_mobilenet_v2", "--archs", "2", "--costs", "10"])
    title, head, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("torch ")
    assert head.split() == ["space", "activate", "extract", "one", "cost", "10", "costs"]
    assert [row.split()[0] for row in rows] == ["ofa_mbv3_cifar", "us_mobilenet_v2"]
    assert all(float(number) >= 0 for row in rows for number in row.split()[1:])
