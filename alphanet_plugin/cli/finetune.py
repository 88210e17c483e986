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
import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import brief
from ..nearest import did_you_mean
from ..shipped import shipped, shipped_config
from .options import add_overrides
from .process import start_cpu_ranks
from .progress import progress_bar, say, say_where_it_begins

if TYPE_CHECKING:
    from ..config import FinetuneConfig
    from ..data import Preparation
    from ..runs import OnStep
    from ..training import Trainer
    from .progress import Advance

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
    from ..data import is_known

    path, data = arguments.config, arguments.data
    if path is None and data is None:
        raise ValueError("give --data NAME, such as flowers, folder or digits, or --config FILE")
    own = [file.stem for file in sorted(shipped("configs/finetune").glob("*.yaml"))]
    if path is None and data not in own and not is_known(data):
        raise ValueError(f"--data: no data set is called {brief(data)}; {did_you_mean(data, own)}")
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
    """Search, train and test behind progress bars; returns what ``results.json`` holds."""
    from ..nni_bridge.hpo.transfer import run_transfer

    main = os.environ.get("RANK", "0") == "0"
    with ExitStack() as bars:

        def on_trials(done: int, total: int, best: float | None) -> None:
            nonlocal searched
            searched = searched or bars.enter_context(progress_bar("search", shown=main))
            searched(done, total, "" if best is None else f"best {best:.2f} %")

        def watch(trainer: Trainer) -> OnStep:
            bars.close()  # the search's
            advance = bars.enter_context(progress_bar("train", shown=main))
            say_where_it_begins(trainer)
            return lambda record: advance(int(record["step"]) + 1, trainer.total_steps, f"loss {record['loss']:.3f}")

        def on_images(preparation: Preparation) -> None:
            say(f"images for {config.model.name}: {preparation}", shown=main)

        searched: Advance | None = None
        results = run_transfer(config, on_trials, watch, on_images)
    if main:
        _report(config, results)
    return results


def _output(arguments: argparse.Namespace) -> str | None:
    """Of the options; None for the configuration's."""
    if arguments.model is None or arguments.data is None:
        return None
    data, model = (re.sub(r"[^\w.-]+", "_", text).strip("_") for text in (arguments.data, arguments.model))
    return f"runs/finetune/{data}/{model}"


def _report(config: FinetuneConfig, results: dict[str, Any]) -> None:
    from ..nni_bridge.hpo.transfer import rate_trials
    from ..report import rates_table
    from ..runs import FinetuneFolder

    folder, final, trials = FinetuneFolder(Path(config.output)), results["final"], rate_trials(results)
    if trials:
        print(rates_table(trials))
    print(
        f"{config.model.name} on {config.data.name}, trained on all at rate {final['lr']:.4g} and decay "
        f"{final['weight_decay']:.4g}: top-1 {final['test_top1']:.2f} % of {final['test_count']:.0f} test images"
    )
    print(f"results: {folder.results}" + (f", picture: {folder.picture}" if trials else ""))
    print(f'timm.create_model("local-dir:{folder.final / "model"}", pretrained=True) loads it')
