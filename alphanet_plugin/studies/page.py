"""A study's page for the browser: that of `alphanet report`, a colour for each arm."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import RunConfig, StudyConfig
from ..models import named_arch
from ..report import PageRun, PageSubnet, PageTable, thinned, write_page
from ..runs import RunFolder, build_space, page_run
from ..training import JsonLinesLog
from .cell_kind import CellOutcome
from .grid import Cell
from .results import Figure, StudyResults
from .table import page_rows

_LOAD = "import timm\nimport alphanet_plugin\nmodel = timm.create_model({name}, pretrained=True)"


def write_study_page(study: StudyConfig, results: StudyResults, figures: Sequence[Figure]) -> Path | None:
    """Write ``report.html`` of the finished runs; None where there are none yet."""
    if not results.runs:
        return None
    return write_page(
        [_page_run(cell, outcome) for cell, outcome in results.runs],
        Path(study.output) / "report.html",
        title=study.title or Path(study.output).name,
        subtitle=f"{len(results.runs)} of {len(results.runs) + len(results.missing)} runs",
        tables=[PageTable(title="Accuracy on the test images", rows=page_rows(figures, study.baseline))],
    )


def _page_run(cell: Cell, outcome: CellOutcome) -> PageRun:
    series = f"{cell.group}: {cell.arm}" if cell.group else cell.arm
    folder = RunFolder(cell.folder)
    if not folder.config.is_file():  # a result alone
        return PageRun(name=str(cell), series=series, load="", subnets=_measured(outcome, {}))
    if isinstance(cell.config, RunConfig):
        run = page_run(folder, name=str(cell), series=series)
        return replace(run, subnets=[*run.subnets, *_measured(outcome, _archs(cell.config, outcome))])
    return _page_network(cell, outcome, series)


def _page_network(cell: Cell, outcome: CellOutcome, series: str) -> PageRun:
    folder = RunFolder(cell.folder)
    records = JsonLinesLog(folder.log).read() if folder.log.is_file() else []
    epoch = (records[-1]["step"] + 1) / cell.config.training.epochs if records else 1.0
    return PageRun(
        name=str(cell),
        series=series,
        load=_LOAD.format(name=json.dumps(f"local-dir:{folder.model.resolve()}", ensure_ascii=False)),
        subnets=_measured(outcome, {}),
        curve=thinned(records, epoch),
        config=folder.config.read_text(encoding="utf-8") if folder.config.is_file() else "",
    )


def _measured(outcome: CellOutcome, archs: Mapping[str, str]) -> list[PageSubnet]:
    """The table's columns, where their cost is known."""
    return [
        PageSubnet(
            arch=archs.get(name, name),
            mflops=metrics["mflops"],
            params=_whole(metrics.get("params")),
            top1=metrics["top1"],
            images="test",
            preset=name,
        )
        for name, metrics in outcome.columns.items()
        if metrics.get("mflops")
    ]


def _archs(config: RunConfig, outcome: CellOutcome) -> dict[str, str]:
    """Name of a column -> its arch, printed."""
    space = build_space(config)
    return {name: str(named_arch(name, space)) for name in outcome.columns}


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
