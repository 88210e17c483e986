"""transfer a pretrained network to another data set

Learning rate and weight decay are searched by an NNI experiment on this machine, on a fifth of the training images held
out; with the best pair the network is then trained on all of them and tested (AlphaNet, section 4.3). Stopped or killed
anywhere, the same command goes on. Examples:
  alphanet finetune alphanet_a0 --data flowers --root /data
  alphanet finetune alphanet_a6 --data pets --root /data --trials 40 --concurrency 4 --set search.trial_gpus=1
  alphanet finetune runs/distill/digits/model --data digits
  alphanet finetune efficientnet_b0.ra_in1k --data folder --root /data/mine --lr 0.01 --weight-decay 1e-5
--data takes flowers, pets, food101, cars, aircraft, digits and folder, each with its configuration in
configs/finetune/, and any other name of a data set. See docs/finetune.md."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..shipped import shipped
from .cpu_ranks import start_cpu_ranks
from .options import add_overrides, shipped_config
from .progress import progress_bar, say

if TYPE_CHECKING:
    from ..config import FinetuneConfig
    from ..nni_bridge.hpo.trial_ledger import Trial
    from ..runs import ImageForm, OnStep
    from ..training import Trainer

_ANY = "folder"  # whose configuration serves data sets that have none of their own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a name for timm.create_model, or a folder that timm loads"
    )
    parser.add_argument("--data", metavar="NAME", help="the data set")
    parser.add_argument("--root", metavar="DIR", help="folder of the data set")
    parser.add_argument("--config", metavar="FILE", help="YAML file (default: configs/finetune/NAME.yaml)")
    parser.add_argument("--output", metavar="DIR", help="folder of the transfer (default: runs/finetune/DATA/MODEL)")
    parser.add_argument("--trials", type=int, help="pairs to try; search.trials")
    parser.add_argument("--concurrency", type=int, help="how many at once; search.concurrency")
    parser.add_argument("--lr", type=float, help="train at this rate, without a search; with --weight-decay")
    parser.add_argument("--weight-decay", type=float, help="train at this decay, without a search; with --lr")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    start_cpu_ranks()
    finetune(read_finetune_config(arguments))


def read_finetune_config(arguments: argparse.Namespace) -> FinetuneConfig:
    """The configuration that the verb's options and overrides make."""
    from ..config import FinetuneConfig, read_config

    path, data = arguments.config, arguments.data
    if path is None and data is None:
        raise ValueError("give --data NAME, such as flowers, folder or digits, or --config FILE")
    own = [file.stem for file in sorted(shipped("configs/finetune").glob("*.yaml"))]
    if path is None:
        path = f"configs/finetune/{data if data in own else _ANY}.yaml"
    named: dict[str, Any] = {
        "model.name": arguments.model,
        "data.name": None if data in own and Path(path).stem == data else data,  # that file has the data set's name
        "data.root": arguments.root,
        "search.trials": arguments.trials,
        "search.concurrency": arguments.concurrency,
        "training.lr": arguments.lr,
        "training.weight_decay": arguments.weight_decay,
        "output": arguments.output or _output(arguments),
    }
    overrides = [f"{key}={json.dumps(value)}" for key, value in named.items() if value is not None]
    return read_config(FinetuneConfig, shipped_config(path), [*overrides, *arguments.overrides])


def finetune(config: FinetuneConfig) -> dict[str, Any]:
    """Search, train and test, or on from where that stopped; returns what ``results.json`` holds."""
    from .. import runs
    from ..owner import owned

    if config.training.lr is None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "the search starts its trials by itself: run it in one process; several ranks can train at rates that are "
            "given by --lr and --weight-decay"
        )
    runs.check_same_transfer(config)
    form = runs.image_form(config)
    say(f"images, as {config.model.name} learned them: {form}", shown=os.environ.get("RANK", "0") == "0")
    # before anything is written or begun: the images are there
    runs.build_data(runs.network_run_of(config, form, Path(config.output), 1.0, 0.0, hold_out=True))
    main = os.environ.get("RANK", "0") == "0"
    folder = runs.FinetuneFolder(Path(config.output))
    with owned(folder.owner, f"the transfer {folder.path}", "choose another output") if main else nullcontext():
        return _finetune(config, form, main)


def _finetune(config: FinetuneConfig, form: ImageForm, main: bool) -> dict[str, Any]:
    from .. import runs

    if main:
        runs.write_finetune_config(config)
    lr, weight_decay = _searched(config) if config.training.lr is None else _given(config)
    metrics = _train(config, form, lr, weight_decay, main)
    results = _results(config, lr, weight_decay, metrics)
    if main:
        _report(config, results)
    return results


def _output(arguments: argparse.Namespace) -> str | None:
    """Of the options; None for the configuration's."""
    if arguments.model is None or arguments.data is None:
        return None
    data, model = (re.sub(r"[^\w.-]+", "_", text).strip("_") for text in (arguments.data, arguments.model))
    return f"runs/finetune/{data}/{model}"


def _given(config: FinetuneConfig) -> tuple[float, float]:
    lr, weight_decay = config.training.lr, config.training.weight_decay
    assert lr is not None
    assert weight_decay is not None  # the configuration has both or neither
    return lr, weight_decay


def _searched(config: FinetuneConfig) -> tuple[float, float]:
    from ..nni_bridge.hpo.rate_search import best_trial, ended_trials, search_rates
    from ..nni_bridge.hpo.trial_ledger import METRIC

    logging.getLogger("nni").propagate = False  # it has a log of its own, in the experiment's folder
    with progress_bar("search") as advance:

        def on_trials(done: int, total: int) -> None:
            results = [trial.result[METRIC] for trial in ended_trials(config) if trial.result]
            advance(done, total, f"best {max(results):.2f} %" if results else "")

        on_trials(len(ended_trials(config)), config.search.trials)
        search_rates(config, on_trials)
        on_trials(len(ended_trials(config)), config.search.trials)
    best = best_trial(ended_trials(config))
    return float(best.parameters["lr"]), float(best.parameters["weight_decay"])


def _train(config: FinetuneConfig, form: ImageForm, lr: float, weight_decay: float, main: bool) -> dict[str, float]:
    from .. import runs
    from ..errors import ConfigError

    folder = runs.FinetuneFolder(Path(config.output))
    run = runs.network_run_of(config, form, folder.final, lr, weight_decay, hold_out=False)
    with progress_bar("train", shown=main) as advance:

        def watch(trainer: Trainer) -> OnStep:
            return lambda record: advance(int(record["step"]) + 1, trainer.total_steps, f"loss {record['loss']:.3f}")

        try:
            return runs.run_network(run, watch=watch)
        except ConfigError as error:
            if "training.lr" not in str(error):
                raise
            raise ConfigError(
                f"{folder.final} was trained at other rates than {lr:.4g} and {weight_decay:.4g}; move or delete that "
                "folder to train anew (the trials stay)"
            ) from error


def _results(config: FinetuneConfig, lr: float, weight_decay: float, metrics: dict[str, float]) -> dict[str, Any]:
    from ..nni_bridge.hpo.rate_search import best_trial, ended_trials

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


def _report(config: FinetuneConfig, results: dict[str, Any]) -> None:
    from ..atomic import atomic_file
    from ..report import RateTrial, plot_rates, rates_table
    from ..runs import FinetuneFolder

    folder, final = FinetuneFolder(Path(config.output)), results["final"]
    with atomic_file(folder.results) as beside:
        beside.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    trials = [
        RateTrial(number=trial["trial"], **{key: trial[key] for key in ("lr", "weight_decay", "top1", "stopped_early")})
        for trial in results["trials"]
    ]
    if trials:
        print(rates_table(trials))
        share = f"{config.data.hold_out:.0%} of the training images held out"
        plot_rates(trials, folder.picture, title=f"{config.model.name} on {config.data.name}", subtitle=share)
    print(
        f"{config.model.name} on {config.data.name}, trained on all at rate {final['lr']:.4g} and decay "
        f"{final['weight_decay']:.4g}: top-1 {final['test_top1']:.2f} % of {final['test_count']:.0f} test images"
    )
    print(f"results: {folder.results}" + (f", picture: {folder.picture}" if trials else ""))
    print(f'timm.create_model("local-dir:{folder.final / "model"}", pretrained=True) loads it')
