"""The search for a transfer's learning rate and weight decay (AlphaNet, section 4.3, after Huang et al., 2018)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...config import FinetuneConfig, RateSearchConfig
from ...errors import SearchError
from ...runs import FinetuneFolder
from .leftover_manager import may_be_left
from .trial_ledger import METRIC, Trial, TrialLedger


def search_rates(config: FinetuneConfig, on_trials: Callable[[int, int], None] | None = None) -> None:
    """Try as many pairs as the configuration asks for, or on from where a search in its folder stopped.

    A search that has them all already is not begun again, and NNI is not even imported; unless a killed process left a
    manager behind, which then ended the search alone and is stopped.

    Args:
        config: The transfer's, as `runs.write_run_config` has written it.
        on_trials: Called with how many trials have ended of how many.

    Raises:
        SearchError: NNI is not there or cannot be kept running, or every trial fails.
    """
    folder = FinetuneFolder(Path(config.output))
    ledger = TrialLedger(folder.trials)
    if len(ledger.ended()) >= config.search.trials and not may_be_left(folder.experiments):
        return
    try:
        from .hpo_experiment import HpoSettings, run_hpo
    except ImportError as error:
        raise SearchError(
            f"the search needs NNI, which cannot be imported ({error}); pip install nni, "
            "or give the rates by --lr and --weight-decay"
        ) from error
    command = [sys.executable, "-m", "alphanet_plugin.nni_bridge.hpo.finetune_trial", str(folder.path.resolve())]
    search = config.search
    settings = HpoSettings(
        name=f"{config.model.name} on {config.data.name}",
        search_space=search_space(search),
        command=shlex.join(command),
        trials=search.trials,
        concurrency=search.concurrency,
        tuner=search.tuner,
        tuner_args=_tuner_args(search, config.seed),
        assessor="Medianstop" if search.stop_early else None,
        assessor_args={"optimize_mode": "maximize", "start_step": search.stop_after} if search.stop_early else None,
        trial_gpus=search.trial_gpus,
    )
    run_hpo(folder.experiments, ledger, settings, on_trials)


def search_space(search: RateSearchConfig) -> dict[str, Any]:
    """NNI's search space of the two rates."""
    return {
        name: {"_type": "loguniform", "_value": list(getattr(search, name))} for name in ("lr", "weight_decay")
    }  # fmt: skip


def ended_trials(config: FinetuneConfig) -> list[Trial]:
    """The search's trials that have a result, in the order in which they began."""
    return TrialLedger(FinetuneFolder(Path(config.output)).trials).ended()


def best_trial(trials: list[Trial]) -> Trial:
    """The one of the highest accuracy on the images held out, of those that ran to their end; the earliest of several.

    Raises:
        SearchError: None of them trained.
    """
    trained = [trial for trial in trials if trial.result and not trial.result.get("diverged")]
    if not trained:
        raise SearchError(
            f"none of {len(trials)} trials has an accuracy (those with a loss that is not finite have none); "
            "lower search.lr and choose another output"
        )
    whole = [trial for trial in trained if trial.result and not trial.result.get("stopped_early")]
    return max(whole or trained, key=lambda trial: trial.result[METRIC] if trial.result else 0.0)


def _tuner_args(search: RateSearchConfig, seed: int) -> dict[str, Any]:
    if search.tuner == "Random":
        return {"seed": seed}
    return {"optimize_mode": "maximize", "seed": seed, "tpe_args": {"n_startup_jobs": search.startup_trials}}
