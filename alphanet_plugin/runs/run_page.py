"""What a run's folder holds, for the page of a report; neither its images nor its weights are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors import safe_open

from .. import store
from ..config import RunConfig, read_config
from ..errors import SearchError
from ..report import PageModel, PagePhase, PageRun, PageSubnet, thinned
from ..search import Evaluated, read_history
from ..spaces import Arch, SearchSpace
from ..training import JsonLinesLog, latest_checkpoint
from .building import build_space
from .curve import read_curve
from .run_folder import RunFolder
from .search_cost import build_cost
from .searching import last_choice
from .training_cost import training_cost

_LOAD = "from alphanet_plugin.runs import open_run\nrun = open_run({path})\nmodel = run.subnet({{arch}})"
_NOT_KEPT = "# the weights of this run were not kept"
_COST = ("epochs", "steps", "forwards", "backwards", "multiply-adds (T)", "wall time (h)", "device hours")


def page_run(folder: RunFolder, *, name: str = "", series: str = "", models: Sequence[store.Published] = ()) -> PageRun:
    """A trained run as the page shows it: whatever of it is there.

    Args:
        folder: Of a run of a supernet.
        name: On the page; the folder's by default.
        series: Whose colour it has; the name's own by default.
        models: Published of it.

    Raises:
        CheckpointError: The log cannot be read.
        SearchError: The history of its search cannot be read.
    """
    config = read_config(RunConfig, folder.config, last_choice(folder.path))
    name = name or folder.path.name
    records = JsonLinesLog(folder.log).read() if folder.log.is_file() else []
    epoch = (records[-1]["step"] + 1) / config.training.epochs if records else 1.0
    measured = read_curve(folder, epoch)
    return PageRun(
        name=name,
        series=series or name,
        load=_LOAD.format(path=json.dumps(str(folder.path.resolve()), ensure_ascii=False))
        if latest_checkpoint(folder.checkpoints)
        else _NOT_KEPT,
        subnets=_subnets(folder, config, {_arch_of(model): model.name for model in models}),
        curve=thinned(records, epoch),
        measured=[{**one, **{end: one[end]["top1"] for end in ("smallest", "largest")}} for one in measured],
        phases=_phases(records, epoch),
        published=sorted((_model(model, build_space(config)) for model in models), key=lambda one: one.mflops),
        cost=_cost(folder) if records else [],
        machine=_machine(folder),
        config=folder.config.read_text(encoding="utf-8"),
    )


def _subnets(folder: RunFolder, config: RunConfig, published: Mapping[Arch, str]) -> list[PageSubnet]:
    """What its search has evaluated in full; nothing where there was none."""
    if not folder.history.is_file():
        return []
    fingerprint, entries = read_history(folder.history)
    found = [entry.evaluated for entry in entries if entry.evaluated.share == 1]
    space, classes = build_space(config), int(fingerprint["num_classes"])
    presets = {arch: preset for preset, arch in reversed(list(space.presets.items()))}
    latency = _latency(folder, config, classes, found)
    return [
        PageSubnet(
            arch=str(subnet.arch),
            mflops=subnet.mflops,
            params=space.params(subnet.arch, num_classes=classes, idle_shortcuts=False),
            top1=subnet.metrics["top1"],
            latency_ms=latency.get(subnet.arch),
            preset=presets.get(subnet.arch, ""),
            published=published.get(subnet.arch, ""),
        )
        for subnet in found
    ]


def _latency(folder: RunFolder, config: RunConfig, classes: int, found: Sequence[Evaluated]) -> dict[Arch, float]:
    """Milliseconds of those that the run's latency table tells without measuring anything."""
    if not config.search.needs_latency:
        return {}
    try:
        table = build_cost(config, folder, build_space(config), classes, measuring=False).table
        return {subnet.arch: table.latency_ms(subnet.arch) for subnet in found} if table else {}
    except SearchError:  # another machine's, which lacks some of these
        return {}


def _phases(records: Sequence[Mapping[str, Any]], epoch: float) -> list[PagePhase]:
    starts = [n for n, record in enumerate(records) if not n or record.get("phase") != records[n - 1].get("phase")]
    if len(starts) < 2:
        return []
    places = [*(records[start]["step"] for start in starts), records[-1]["step"] + 1]
    return [
        PagePhase(name=str(records[start].get("phase", "")), begin=begin / epoch, end=end / epoch)
        for start, begin, end in zip(starts, places, places[1:], strict=False)
    ]


def _cost(folder: RunFolder) -> list[dict[str, str]]:
    """A row for each phase."""
    rows = []
    for phase, cost in training_cost(folder).items():
        figures = (
            f"{cost.epochs:.1f}" if cost.epochs else "-", f"{cost.steps:,}", f"{cost.forwards:,}",
            f"{cost.backwards:,}", f"{cost.gmacs / 1e3:.4g}" if cost.gmacs else "-", f"{cost.seconds / 3600:.3g}",
            f"{cost.device_hours:.3g}",
        )  # fmt: skip
        rows.append({"phase": phase, **dict(zip(_COST, figures, strict=True))})
    return rows


def _machine(folder: RunFolder) -> Mapping[str, Any]:
    """What it was trained on, where that was written down."""
    try:
        machine = json.loads(folder.cost.read_text(encoding="utf-8")).get("machine", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return machine if isinstance(machine, Mapping) else {}


def _arch_of(model: store.Published) -> Arch:
    return Arch(model.config["model_args"]["arch"])


def _model(model: store.Published, space: SearchSpace) -> PageModel:
    with safe_open(model.weights, framework="pt") as weights:
        told = weights.metadata()
    arch, classes = Arch.parse(told["arch"]), int(model.config["num_classes"])
    return PageModel(
        name=model.name,
        mflops=float(told["mflops"]),
        params=space.params(arch, num_classes=classes, idle_shortcuts=False),
        top1=float(json.loads(told["metrics"])["top1"]),
    )
