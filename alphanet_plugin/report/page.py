"""One self-contained HTML page of runs: fronts to hover over and click, curves, tables; light and dark, no network.

It holds Vega and Vega-Lite (BSD-3-Clause, 0.77 MB minified, in ``page/``), the lighter of the two libraries that were
weighed: plotly's basic bundle has 1.19 MB.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from ..atomic import write_text
from .canvas import SERIES, SERIES_ON_DARK

_PARTS = Path(__file__).with_name("page")
LOAD_PUBLISHED = "import timm\nimport alphanet_plugin\nmodel = timm.create_model({name}, pretrained=True)"


@dataclass(frozen=True, kw_only=True)
class PageSubnet:
    """A point of the page.

    Attributes:
        arch: Its printed form.
        mflops: Multiply-adds / 1e6; None where they are not known.
        params: Parameters; None where they are not known.
        top1: Accuracy in percent.
        images: On which, ``search`` or ``test``.
        latency_ms: Of a forward, where a latency table tells it.
        preset: Its name where it has one.
        published: What `timm.create_model` takes, where it is published.
    """

    arch: str
    mflops: float | None
    params: int | None
    top1: float
    images: str = "search"
    latency_ms: float | None = None
    preset: str = ""
    published: str = ""


@dataclass(frozen=True, kw_only=True)
class PagePhase:
    """A band behind the curves, from one epoch to another."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True, kw_only=True)
class PageModel:
    """A published model: its name for timm, multiply-adds / 1e6, parameters, test accuracy in percent."""

    name: str
    mflops: float
    params: int
    top1: float


@dataclass(frozen=True, kw_only=True)
class PageRun:
    """A run on the page.

    Attributes:
        name: Unlike any other run's.
        series: Whose colour it has, such as an arm of a study.
        load: Lines of Python that load a subnet; ``{arch}`` stands for its printed form.
        subnets: What was measured of it.
        curve: ``{"epoch", "loss", "kd_loss", "lr"}`` along its training.
        measured: ``{"epoch", "smallest", "largest"}``, top-1 in percent, where it was measured during training.
        phases: Bands; none where there is but one.
        published: Its published models.
        cost: Rows of a table, titles to cells.
        machine: What it was trained on, words to values.
        config: YAML.
    """

    name: str
    series: str
    load: str
    subnets: Sequence[PageSubnet] = ()
    curve: Sequence[Mapping[str, float]] = ()
    measured: Sequence[Mapping[str, float]] = ()
    phases: Sequence[PagePhase] = ()
    published: Sequence[PageModel] = ()
    cost: Sequence[Mapping[str, str]] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table of text: its title, and rows of which the first is the header's."""

    title: str
    rows: Sequence[Sequence[str]]


def write_page(
    runs: Sequence[PageRun],
    path: str | os.PathLike[str],
    *,
    title: str,
    subtitle: str = "",
    tables: Sequence[PageTable] = (),
) -> Path:
    """Write the page.

    Args:
        runs: At least one.
        path: Where to; ends in ``.html``, folders are made.
        title: Above all.
        subtitle: Under the title.
        tables: Shown below the front.

    Raises:
        ValueError: There is no run, two are called the same, or the path is not a page's.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"the report is a page of HTML; {path.name!r} should end in .html")
    if not runs or len({run.name for run in runs}) < len(runs):
        raise ValueError("a report shows at least one run, each by another name")
    data = {
        "runs": [asdict(run) for run in runs],
        "tables": [{"title": one.title, "header": one.rows[0], "rows": one.rows[1:]} for one in tables],
        "colors": {"light": SERIES, "dark": SERIES_ON_DARK},
        "load_published": LOAD_PUBLISHED,
    }
    write_text(path, _page(data, title, subtitle))
    return path


def _page(data: Mapping[str, Any], title: str, subtitle: str) -> str:
    return Template(_part("page.html")).substitute(
        title=html.escape(title),
        subtitle=html.escape(subtitle),
        data=json.dumps(_finite(data), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
        css=_part("page.css"),
        js=_part("page.js"),
        vega=_part("vega.min.js"),
        vega_lite=_part("vega-lite.min.js"),
    )


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _finite(value: Any) -> Any:
    """JSON's values, None for a number that it does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value
