"""All benchmarks, one table of ratios: `python -m benchmarks`, small by default.

    python -m benchmarks                 # minutes on two cores
    python -m benchmarks --full          # as docs/performance.md was measured
    python -m benchmarks --only ranks

Each is a program of its own beside this one, with what it prints shown above the table; one that fails is a row too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SMALL_STEP = "--resolutions 24,32,40,48 --input 48 --classes 10 --check-batch 0"
OFA_STEP = "--space ofa_mbv3_cifar --resolutions 28 --input 28 --classes 10 --check-batch 0"
SLIMMABLE_STEP = "--space us_mobilenet_v1 --resolutions 24 --input 24 --classes 10 --check-batch 0"


class Row(NamedTuple):
    """A figure of the table.

    Attributes:
        name: Of the row, for `--only`.
        what: The figure, in words.
        program: Its file, with arguments for a quick look.
        full: Arguments for the documents' figures.
        figure: A pattern whose group, in what the program prints, is the figure.
    """

    name: str
    what: str
    program: str
    full: str
    figure: str


ROWS = (
    Row(
        "step", "supernet's step: plain way / this one (224 pixels in full)",
        f"train_step.py {SMALL_STEP} --batch 8 --repeats 1", "train_step.py", r"([\d.]+) by the median of pairs",
    ),
    Row(
        "small_step", "quickstart's step, 24 to 48 pixels: plain way / this one",
        f"train_step.py {SMALL_STEP} --batch 16 --repeats 1 --beside 1,2,4",
        f"train_step.py {SMALL_STEP} --batch 64 --beside 1,2,4", r"([\d.]+) by the median of pairs",
    ),
    *(
        Row(
            f"beside{busy}", f"the same beside {busy} busy: longer than alone / its share of the cores",
            f"train_step.py {SMALL_STEP} --batch 16 --repeats 1 --beside 1,2,4",
            f"train_step.py {SMALL_STEP} --batch 64 --beside 1,2,4", rf"beside {busy} busy: .* share: ([\d.]+)",
        )
        for busy in (1, 2, 4)
    ),
    Row(
        "ofa_step", "once-for-all step, 28 pixels: plain way / this one",
        f"train_step.py {OFA_STEP} --batch 16 --repeats 1", f"train_step.py {OFA_STEP} --batch 64",
        r"([\d.]+) by the median of pairs",
    ),
    Row(
        "slimmable_step", "slimmable step, 24 pixels: plain way / this one",
        f"train_step.py {SLIMMABLE_STEP} --batch 16 --repeats 1", f"train_step.py {SLIMMABLE_STEP} --batch 32",
        r"([\d.]+) by the median of pairs",
    ),
    Row(
        "memory", "most memory in use in the first step: this one / plain way",
        f"train_step.py {SMALL_STEP} --batch 8 --repeats 1", "train_step.py", r"product / plain: ([\d.]+)",
    ),
    Row(
        "startup", "alphanet train's first step / the import of its libraries", "startup.py --repeats 1", "startup.py",
        r"([\d.]+) x$",
    ),
    Row(
        "ranks", "two ranks of a core / one of two, same global batch", "ranks.py --batch 32 --steps 2 --rounds 1",
        "ranks.py", r"two / one ([\d.]+)",
    ),
    Row(
        "reduced", "bytes that two ranks reduce a step / the weights'", "ranks.py --batch 32 --steps 2 --rounds 1",
        "ranks.py", r"reduced a step: [\d.]+ MB, ([\d.]+) x",
    ),
    Row(
        "search_ranks", "a search by one process of a core / by two of a core each",
        "search_ranks.py --subnets 32 --rounds 1", "search_ranks.py", r"of one core / \d+ of one: ([\d.]+)",
    ),
    Row(
        "loader", "loader from files, no worker: this one / timm's", "loader.py --images 1000 --workers 0", "loader.py",
        r"^ +0 .* ([\d.]+) +[\d.]+$",
    ),
    Row(
        "decoded", "the same, images decoded once", "loader.py --images 1000 --workers 0", "loader.py",
        r"^ +0 .* ([\d.]+)$",
    ),
)  # fmt: skip


def run(command: str) -> str:
    """What a program printed; its last line of errors where it failed."""
    print(f"\n$ python benchmarks/{command}", flush=True)
    program, *arguments = command.split()
    done = subprocess.run([sys.executable, str(HERE / program), *arguments], capture_output=True, text=True)
    said = done.stdout if done.returncode == 0 else f"failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
    print(said, flush=True)
    return said


def table(rows: Sequence[Row], full: bool) -> str:
    """Markdown; each program runs once."""
    said: dict[str, str] = {}
    lines = ["| figure | ratio | command |", "| --- | ---: | --- |"]
    for row in rows:
        command = row.full if full else row.program
        if command not in said:
            said[command] = run(command)
        found = re.search(row.figure, said[command], re.MULTILINE)
        figure = found[1] if found else said[command].splitlines()[0] if said[command] else "nothing printed"
        lines.append(f"| {row.what} | {figure} | `python benchmarks/{command}` |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="sizes of docs/performance.md")
    parser.add_argument("--only", action="append", choices=names, help="one row; several times for more")
    args = parser.parse_args(arguments)
    print("\n" + table([row for row in ROWS if row.name in (args.only or names)], args.full))


if __name__ == "__main__":
    main()
