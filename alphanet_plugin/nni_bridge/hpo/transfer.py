"""A transfer to another data set (AlphaNet, section 4.3): search rate and decay, train on all, test."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ... import runs
from ...atomic import atomic_file
from ...config import FinetuneConfig
from ...data import Preparation
from ...errors import ConfigError
from ...owner import owned
from ...report import RateTrial, plot_rates
from .rate_search import best_trial, ended_trials, search_rates
from .trial_ledger import METRIC, Trial

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
    with atomic_file(folder.results) as beside:
        beside.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if trials := rate_trials(results):
        share = f"{config.data.hold_out:.0%} of the training images held out"
        plot_rates(trials, folder.picture, title=f"{config.model.name} on {config.data.name}", subtitle=share)
