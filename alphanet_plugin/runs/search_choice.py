"""By what cost and within which bounds a run was searched last, kept beside the search's history."""

from __future__ import annotations

import json
from pathlib import Path

from ..atomic import atomic_file
from ..errors import SearchError
from ..search import Evaluated, pareto_front
from .run_folder import RunFolder
from .trained_run import TrainedRun, cost_of_run, search_results, within_bounds

_KEYS = (
    "cost", "latency_device", "latency_batch", "min_mflops", "max_mflops", "min_params", "max_params",
    "min_latency_ms", "max_latency_ms",
)  # fmt: skip


def keep_choice(run: TrainedRun) -> None:
    """Write down what this search goes by, for whoever publishes from it."""
    choice = {key: getattr(run.config.search, key) for key in _KEYS}
    with atomic_file(run.folder.search_choice) as beside:
        beside.write_text(json.dumps(choice, indent=2) + "\n", encoding="utf-8")


def last_choice(path: str | Path) -> list[str]:
    """What the last search of the run in that folder went by, as overrides ``search.key=value``; none if none was.

    Raises:
        SearchError: The file is damaged.
    """
    file = RunFolder(Path(path)).search_choice
    try:
        choice = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise SearchError(f"{file} cannot be read ({error}); delete it, or search again") from error
    if not isinstance(choice, dict) or not set(choice) <= set(_KEYS):
        raise SearchError(f"{file} does not say by what a search went; delete it, or search again")
    return [f"search.{key}={json.dumps(value)}" for key, value in choice.items()]


def search_front(run: TrainedRun) -> list[Evaluated]:
    """The Pareto front of what was evaluated within the configured bounds, by the configured cost, cheapest first.

    Raises:
        SearchError: The history or the latency table is not this run's, or the table cannot be filled up here.
    """
    results = search_results(run)
    if not results:
        return []
    cost = cost_of_run(run, measuring=False)
    return pareto_front((subnet for subnet in results if within_bounds(run, cost, subnet.arch)), cost=cost.of)
