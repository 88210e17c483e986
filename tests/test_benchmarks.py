"""Benchmarks that are quick enough run as they are shown, in small."""

import json
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


def test_the_program_for_gpus_runs_on_a_cpu(capsys, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    program = runpy.run_path(str(BENCHMARKS / "gpu.py"))

    def fails(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(program["main"].__globals__, "measure_evaluation", fails)
    program["main"](["--device", "cpu", "--quick", "--output", str(tmp_path / "gpu.json")])
    rows = {row["what"]: row for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]}
    notes = {what: row["note"] for what, row in rows.items() if "note" in row}
    assert notes == dict.fromkeys(
        ("evaluation, a2, fp32", "evaluation, a2, bf16"), "failed: RuntimeError: out of memory"
    )
    steps = [row for what, row in rows.items() if " px, " in what or "step" in what]
    assert len(steps) == 5
    assert all(row["of bound"] == row["ms"] / max(row["arithmetic ms"], row["memory ms"]) for row in steps)
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert len(table) == len(rows) + 2
    assert len({line.count("|") for line in table}) == 1
