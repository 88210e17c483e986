"""A study's table in Markdown and CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..report import csv_lines, markdown_lines
from .results import MEAN, PARETO, Figure
from .statistics import Difference, Summary

_CSV = (
    "group", "arm", "column", "mflops", "n", "mean", "std", "difference", "low", "high", "p", "significant", "p_holm",
)  # fmt: skip


def markdown(figures: Sequence[Figure], baseline: str | None, note: str = "") -> str:
    """Accuracies, then differences to the baseline, for each group; ends with a newline."""
    parts = []
    for group in dict.fromkeys(figure.group for figure in figures):
        rows = [figure for figure in figures if figure.group == group]
        heading = f"{group}: " if group else ""
        parts.append(f"{heading}top-1 accuracy on the test images (%), mean ± standard deviation over seeds\n")
        parts.append(_grid(rows, _counts(rows), with_n=True))
        if any(figure.difference for figure in rows):
            parts.append(
                f"{heading}difference to {baseline} (percentage points), paired by seed, [95 % confidence interval]; "
                "* leaves 0 out\n"
            )
            parts.append(_grid([figure for figure in rows if figure.difference], _counts(rows), with_n=False))
    if any(figure.difference for figure in figures):
        parts.append(
            "Intervals and * are Student's t for each place by itself, not corrected for the many comparisons; "
            "p (Holm) is of the last column, corrected for the arms of its table.\n"
        )
    return "\n".join([*parts, *([note] if note else [])])


def costs(by_group: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """What training cost: group -> arm -> means over seeds; empty where nothing is known."""
    parts = []
    for group, by_arm in by_group.items():
        if by_arm:
            titles = ["", "epochs", "forwards (M)", "backwards (M)", "multiply-adds (T)", "device hours"]
            rows = [
                [
                    arm, f"{cost['epochs']:.3g}", f"{cost['forwards'] / 1e6:.3g}", f"{cost['backwards'] / 1e6:.3g}",
                    f"{cost['gmacs'] / 1e3:.4g}", f"{cost['device_hours']:.3g}",
                ]
                for arm, cost in by_arm.items()
            ]  # fmt: skip
            heading = f"{group}: " if group else ""
            parts.append(f"{heading}cost of training, mean over seeds\n\n{markdown_lines([titles, *rows])}")
    return "\n".join(parts)


def page_rows(figures: Sequence[Figure], baseline: str | None) -> list[list[str]]:
    """A row for each place of the table, titles first."""
    titles = ["arm", "network", "MFLOPs", "seeds", "test top-1 (%)", *([f"less {baseline}"] if baseline else [])]
    return [titles] + [
        [
            f"{one.group}: {one.arm}" if one.group else one.arm, one.column, f"{one.mflops:.4g}" if one.mflops else "-",
            str(one.top1.n), _accuracy(one.top1), *([_difference(one.difference)] if baseline else []),
        ]
        for one in figures
    ]  # fmt: skip


def to_csv(figures: Sequence[Figure]) -> str:
    """One line a place of the table."""
    rows = []
    for one in figures:
        d, top1 = one.difference, one.top1
        difference = (d.mean, d.low, d.high, d.p, d.significant) if d else ("",) * 5
        place = (one.group, one.arm, one.column, one.mflops)
        rows.append([*place, top1.n, top1.mean, top1.std, *difference, one.p_holm])
    return csv_lines([_CSV, *rows])


def _grid(figures: Sequence[Figure], counts: str, *, with_n: bool) -> str:
    columns = sorted(dict.fromkeys(figure.column for figure in figures), key=lambda column: column in (MEAN, PARETO))
    corrected = not with_n and any(figure.p_holm is not None for figure in figures)
    titles = ["", *(f"{c} of {counts}" if c in (MEAN, PARETO) else _title(c, figures) for c in columns)]
    titles += ["n"] if with_n else ["p (Holm)"] * corrected
    lines = [titles]
    for arm in dict.fromkeys(figure.arm for figure in figures):
        of_arm = {figure.column: figure for figure in figures if figure.arm == arm}
        cells = [_cell(of_arm[column], with_n) if column in of_arm else "-" for column in columns]
        last = [str(max(figure.top1.n for figure in of_arm.values()))] if with_n else []
        if corrected:
            p = of_arm[columns[-1]].p_holm
            last = ["-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"]
        lines.append([arm, *cells, *last])
    return markdown_lines(lines)


def _counts(figures: Sequence[Figure]) -> str:
    """How many archs a summary is of, where arms have their own."""
    archs = Counter(figure.arm for figure in figures if figure.column not in (MEAN, PARETO))
    return " or ".join(map(str, sorted(set(archs.values()), reverse=True)))


def _title(column: str, figures: Sequence[Figure]) -> str:
    mflops = next(figure.mflops for figure in figures if figure.column == column)
    return column if mflops is None else f"{column} ({mflops:.3g}M)"


def _cell(figure: Figure, accuracy: bool) -> str:
    return _accuracy(figure.top1) if accuracy else _difference(figure.difference)


def _accuracy(top1: Summary) -> str:
    return f"{top1.mean:.2f}" + ("" if top1.std is None else f" ± {top1.std:.2f}")


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    interval = "" if difference.low is None else f" [{difference.low:+.2f}, {difference.high:+.2f}]"
    return f"{difference.mean:+.2f}{interval}{'*' if difference.significant else ''}"
