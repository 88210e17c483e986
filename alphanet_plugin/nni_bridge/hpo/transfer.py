"""A transfer to another data set (AlphaNet, section 4.3, after Huang et al., 2018): search rates, train, test."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ... import runs
from ...atomic import write_text
from ...config import FinetuneConfig, RateSearchConfig
from ...data import Preparation
from ...errors import ConfigError, SearchError
from ...owner import owned
from ...report import RateTrial, plot_rates
from ...runs import FinetuneFolder
from .leftover_manager import may_be_left
from .trial_ledger import METRIC, Trial, TrialLedger

OnTrials = Callable[[int, int, float | None], None]
"""(trials that have ended, of how many, the best accuracy so far in per cent or None)."""


def run_transfer(
    config: FinetuneConfig,
    on_trials: OnTrials | None = None,
    watch: runs.Watch | None = None,
    on_images: Callable[[Preparation], None] | None = None,
) -> dict[str, Any]:
    """Search, train and test, or go on from where that stopped.

    Args:
        config: The transfer.
        on_trials: Told of the search's progress; not called where the rates are given.
        watch: Of the final training; see `runs.run_network`.
        on_images: Told how images are prepared, before anything begins: as the network learned them, but for what
            the configuration says.

    Returns:
        What ``results.json`` holds: model, data, trials, the best of them, and the final network's figures.

    Raises:
        ValueError: A search is asked for by several ranks.
        AlphaNetError: The folder holds another transfer, something cannot be built, every trial fails, ...
    """
    if config.training.lr is None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "the search starts its trials by itself: run it in one process; several ranks can train at rates that are "
            "given by --lr and --weight-decay"
        )
    runs.check_same_transfer(config)
    form = runs.image_form(config)
    # before anything is written or begun: the images are there, and the weights are for such
    splits = runs.build_data(runs.network_run_of(config, form, Path(config.output), 1.0, 0.0, hold_out=True))
    runs.check_transfer_start(config, splits)
    if on_images:
        on_images(Preparation(**splits.data_config))
    main = os.environ.get("RANK", "0") == "0"
    folder = runs.FinetuneFolder(Path(config.output))
    with owned(folder.owner, f"the transfer {folder.path}", "choose another output") if main else nullcontext():
        if main:
            runs.write_run_config(config)
        lr, weight_decay = _searched(config, on_trials) if config.training.lr is None else _given(config)
        metrics = _train(config, form, lr, weight_decay, watch)
        results = _results(config, lr, weight_decay, metrics)
        if main:
            _keep(config, results)
    return results


def rate_trials(results: dict[str, Any]) -> list[RateTrial]:
    """The trials of a transfer's results, for its table and its picture."""
    keys = ("lr", "weight_decay", "top1", "stopped_early")
    return [
        RateTrial(number=trial["trial"], **{key: trial[key] for key in keys}) for trial in results["trials"]
    ]  # fmt: skip


def _given(config: FinetuneConfig) -> tuple[float, float]:
    lr, weight_decay = config.training.lr, config.training.weight_decay
    assert lr is not None
    assert weight_decay is not None  # the configuration has both or neither
    return lr, weight_decay


def _searched(config: FinetuneConfig, on_trials: OnTrials | None) -> tuple[float, float]:
    logging.getLogger("nni").propagate = False  # it has a log of its own, in the experiment's folder

    def tell(done: int, total: int) -> None:
        if on_trials:
            top1 = [trial.result[METRIC] for trial in ended_trials(config) if trial.result]
            on_trials(done, total, max(top1, default=None))

    tell(len(ended_trials(config)), config.search.trials)
    search_rates(config, tell)
    tell(len(ended_trials(config)), config.search.trials)
    best = best_trial(ended_trials(config))
    return float(best.parameters["lr"]), float(best.parameters["weight_decay"])


def _train(
    config: FinetuneConfig, form: Preparation, lr: float, weight_decay: float, watch: runs.Watch | None
) -> dict[str, float]:
    final = runs.FinetuneFolder(Path(config.output)).final
    run = runs.network_run_of(config, form, final, lr, weight_decay, hold_out=False)
    try:
        return runs.run_network(run, watch=watch)
    except ConfigError as error:
        if "training.lr" not in str(error):
            raise
        raise ConfigError(
            f"{final} was trained at other rates than {lr:.4g} and {weight_decay:.4g}; move or delete that folder to "
            "train anew (the trials stay)"
        ) from error


def _results(config: FinetuneConfig, lr: float, weight_decay: float, metrics: dict[str, float]) -> dict[str, Any]:
    searched, trials = config.training.lr is None, ended_trials(config)
    return {
        "model": config.model.name,
        "data": config.data.name,
        "searched": searched,
        "trials": [_row(trial) for trial in trials],
        "best": _row(best_trial(trials)) if searched else None,
        "final": {"lr": lr, "weight_decay": weight_decay, **metrics},
    }


def _row(trial: Trial) -> dict[str, Any]:
    result = trial.result or {}
    return {
        "trial": trial.number,
        "lr": trial.parameters["lr"],
        "weight_decay": trial.parameters["weight_decay"],
        "top1": None if result.get("diverged") else result["default"],
        "stopped_early": bool(result.get("stopped_early")),
    }


def _keep(config: FinetuneConfig, results: dict[str, Any]) -> None:
    folder = runs.FinetuneFolder(Path(config.output))
    write_text(folder.results, json.dumps(results, indent=2) + "\n")
    if trials := rate_trials(results):
        share = f"{config.data.hold_out:.0%} of the training images held out"
        plot_rates(trials, folder.picture, title=f"{config.model.name} on {config.data.name}", subtitle=share)


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
