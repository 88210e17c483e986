"""A search of a trained run: its presets, the evolution, and the picture."""

from __future__ import annotations

from collections.abc import Callable

from ..report import plot_pareto
from ..search import Evaluated
from .ranks import Ranks
from .search_choice import keep_choice
from .search_cost import SearchCost
from .tracking import Track, tracked
from .trained_run import TrainedRun, build_search, cost_of_run

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


def _both(track: Track, on_evaluated: OnEvaluated | None) -> OnEvaluated:
    """Hand full evaluations to the tracker, all to `on_evaluated`."""

    def call(done: int, total: int, subnet: Evaluated) -> None:
        if subnet.share == 1:
            track({"mflops": subnet.mflops, **subnet.metrics}, done)
        if on_evaluated:
            on_evaluated(done, total, subnet)

    return call
