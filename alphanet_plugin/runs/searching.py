"""A search of a trained run: its presets, the evolution, and the picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..atomic import write_text
from ..errors import SearchError
from ..report import plot_pareto
from ..search import Evaluated, Predictor, RankCorrelation, pareto_front
from .accelerator import Track, tracked
from .ranks import Ranks
from .run_folder import RunFolder
from .search_cost import SearchCost
from .trained_run import TrainedRun, build_search, cost_of_run, search_results, within_bounds

OnEvaluated = Callable[[int, int, Evaluated], None]
"""(evaluations that are done, of how many at most, the last subnet)."""


def search_run(
    run: TrainedRun,
    on_evaluated: OnEvaluated | None = None,
    *,
    cost: SearchCost | None = None,
    ranks: Ranks | None = None,
) -> list[Evaluated]:
    """Evaluate a trained run's presets, evolve, and draw the picture; goes on where an earlier search stopped.

    Args:
        run: From `run_supernet` or `open_run`.
        on_evaluated: Called after each evaluation.
        cost: What Pareto sets are taken by; what the run's search section names by default.
        ranks: Who evaluates beside this process; see `help_search`.

    Returns:
        Every subnet that was evaluated in full, in the order of evaluation.

    Raises:
        SearchError: The history is another search's, or in use; the bounds hold no subnet.
        ConfigError: No images were held out to search with.
    """
    cost = cost or cost_of_run(run)
    with tracked(run.config, "search") as track:
        evolution = build_search(run, _both(track, on_evaluated), presets=True, cost=cost, ranks=ranks)
        assert evolution.history is not None
        keep_choice(run)
        with evolution.history:
            found = evolution.run()
    _keep_rank_correlation(run, found)
    by_arch = {subnet.arch: subnet for subnet in found}
    plot_pareto(
        found,
        run.folder.picture,
        presets={name: by_arch[arch] for name, arch in run.space.presets.items() if arch in by_arch},
        title=f"{len(found)} subnets of one supernet on {run.splits.name}",
        cost=cost.of,
        xlabel=cost.label,
        ylabel=f"top-1 accuracy on {len(run.splits.search):,} search images (%)",
    )
    return found


def rank_correlation(run: TrainedRun, found: Sequence[Evaluated]) -> RankCorrelation | None:
    """How well the configured predictor ranks held-out subnets of a search; None without one, or of too few."""
    name = run.config.search.predictor
    return Predictor(run.space, run.splits.num_classes, name).rank_correlation(found) if name else None


def _keep_rank_correlation(run: TrainedRun, found: Sequence[Evaluated]) -> None:
    """Beside the history, which a search without a predictor leaves alone."""
    correlation = rank_correlation(run, found)
    if correlation is None:
        run.folder.search_predictor.unlink(missing_ok=True)
        return
    write_text(run.folder.search_predictor, json.dumps(asdict(correlation), indent=2) + "\n")


def _both(track: Track, on_evaluated: OnEvaluated | None) -> OnEvaluated:
    """Hand full evaluations to the tracker, all to `on_evaluated`."""

    def call(done: int, total: int, subnet: Evaluated) -> None:
        if subnet.share == 1:
            track({"mflops": subnet.mflops, **subnet.metrics}, done)
        if on_evaluated:
            on_evaluated(done, total, subnet)

    return call


_KEYS = (
    "cost", "latency_device", "latency_batch", "min_mflops", "max_mflops", "min_params", "max_params",
    "min_latency_ms", "max_latency_ms",
)  # fmt: skip


def keep_choice(run: TrainedRun) -> None:
    """Write down what this search goes by, for whoever publishes from it."""
    choice = {key: getattr(run.config.search, key) for key in _KEYS}
    write_text(run.folder.search_choice, json.dumps(choice, indent=2) + "\n")


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
