"""Benchmarks that are quick enough run as they are shown, in small."""

import json
import re
import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_spaces_are_measured(capsys):
    main = runpy.run_path(str(BENCHMARKS / "spaces.py"))["main"]
    main(["ofa_mbv3_cifar", "us_mobilenet_v2", "--archs", "2", "--costs", "10"])
    title, head, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("torch ")
    assert head.split() == ["space", "activate", "extract", "one", "cost", "10", "costs"]
    assert [row.split()[0] for row in rows] == ["ofa_mbv3_cifar", "us_mobilenet_v2"]
    assert all(float(number) >= 0 for row in rows for number in row.split()[1:])


@pytest.mark.slow
def test_the_program_for_gpus_runs_on_a_cpu(capsys, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    program = runpy.run_path(str(BENCHMARKS / "gpu.py"))

    def fails(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(program["main"].__globals__, "measure_evaluation", fails)
    program["main"](["--device", "cpu", "--quick", "--output", str(tmp_path / "gpu.json")])
    rows = {row["what"]: row for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]}
    notes = {what: row["note"] for what, row in rows.items() if "note" in row}
    assert notes == {what: "failed: RuntimeError: out of memory" for what in rows if what.startswith("evaluation")}
    assert len(notes) >= 2
    steps = [row for what, row in rows.items() if " px, " in what or "step" in what]
    assert len(steps) == 8
    assert all(row["of bound"] == row["ms"] / max(row["arithmetic ms"], row["memory ms"]) for row in steps)
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert len(table) == len(rows) + 2
    assert len({line.count("|") for line in table}) == 1


def test_one_table_of_all_runs_each_program_once(capsys, monkeypatch):
    program = runpy.run_path(str(BENCHMARKS / "__main__.py"))
    said = {
        "train_step.py": "plain / product: 3.10 by the best, 3.05 by the median of pairs\n"
        "most memory in use: product 6.00 GB, plain 8.00 GB; product / plain: 0.75\n"
        "product alone 0.703 s a step\n"
        "beside 1 busy: 1.67 x as long, its share 1.50 x; longer / share: 1.11\n"
        "beside 2 busy: 2.10 x as long, its share 2.00 x; longer / share: 1.05\n"
        "beside 4 busy: 3.00 x as long, its share 3.00 x; longer / share: 1.00",
        "startup.py": "alphanet train's first step 6.00 s; its libraries 5.00 s: 1.20 x",
        "ranks.py": "a step: one 9 ms, two 8 ms; two / one 0.89\nreduced a step: 12.87 MB, 1.00 x the weights'",
        "search_ranks.py": "one process of one core / 2 of one: 1.90\none process of all cores / 2 of one: 1.30",
        "loader.py": "failed: OSError: no room",
    }
    commands = []

    def run(command):
        commands.append(command)
        return said[command.split()[0]]

    monkeypatch.setitem(program["main"].__globals__, "run", run)
    program["main"]([])
    rows = [line.split(" | ") for line in capsys.readouterr().out.strip().splitlines()[2:]]
    figures = [figure for _, figure, _ in rows]
    beside = ["1.11", "1.05", "1.00"]
    assert figures == [
        *["3.05"] * 2,
        *beside,
        *["3.05"] * 2,
        "0.75",
        "1.20",
        "0.89",
        "1.00",
        "1.90",
        *["failed: OSError: no room"] * 2,
    ]
    assert len(commands) == len(set(commands)) == 8
    program["main"](["--full", "--only", "ranks"])
    assert commands[8:] == ["ranks.py"]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # timm's loader leaves that to Python
def test_the_table_reads_what_the_loader_s_program_prints(capsys):
    rows = {row.name: row for row in runpy.run_path(str(BENCHMARKS / "__main__.py"))["ROWS"]}
    main = runpy.run_path(str(BENCHMARKS / "loader.py"))["main"]
    main(["--images", "60", "--jpeg", "32", "--side", "16", "--batch", "4", "--workers", "0"])
    printed = capsys.readouterr().out
    for name in ("loader", "decoded"):
        assert float(re.search(rows[name].figure, printed, re.MULTILINE)[1]) > 0
