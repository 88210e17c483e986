"""``python -m alphanet_plugin.nni_bridge.hpo.finetune_trial FOLDER``: one trial of a transfer's search.

It takes a learning rate, a weight decay and its number from NNI, trains the network in ``FOLDER/trials/NUMBER`` on the
training images but those held out, or on from its checkpoint there, and reports its top-1 accuracy (%) on those after
each epoch and at the end. The test images are not touched. A trial whose loss is not finite ends with an accuracy of 0
and is marked as diverged. Neither NNI's NAS nor Lightning is imported.
"""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nni
import torch

from ...config import FinetuneConfig, NetworkRunConfig, read_config
from ...data import Splits, eval_loader
from ...errors import CheckpointError, NonFiniteLossError
from ...evaluation import evaluate
from ...runs import (
    FinetuneFolder,
    NetworkRun,
    RunFolder,
    image_form,
    network_run_of,
)
from ...training import JsonLinesLog, Trainer, latest_checkpoint, read_state
from .ledger_tuner import TRIAL
from .orphan import die_with_parent
from .trial_ledger import METRIC, Trial, TrialLedger


def main(argv: Sequence[str] | None = None) -> None:
    """Run the trial."""
    parser = argparse.ArgumentParser(prog="finetune_trial", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("folder", metavar="FOLDER", help="of a transfer that `alphanet finetune` began")
    arguments = parser.parse_args(argv)
    die_with_parent()
    # First of all: a trial that dies before it leaves its parameters to another one.
    parameters = nni.get_next_parameter()
    if TRIAL not in (parameters or {}):
        parser.error("NNI gave no trial's number; `alphanet finetune` starts this")
    nni.report_final_result(run_trial(Path(arguments.folder), int(parameters[TRIAL])))


def run_trial(path: Path, number: int) -> dict[str, Any]:
    """Train trial `number` of a transfer to its end, and write its result into the ledger; returns that.

    Raises:
        AlphaNetError: It cannot be trained as configured.
    """
    folder = FinetuneFolder(path)
    ledger = TrialLedger(folder.trials)
    trial = ledger[number]
    if trial.result is not None:
        return dict(trial.result)
    config = read_config(FinetuneConfig, folder.config)
    rates = {name: float(trial.parameters[name]) for name in ("lr", "weight_decay")}
    run = network_run_of(config, image_form(config), trial.folder, **rates, hold_out=True)
    result = {TRIAL: number, **train_trial(run, trial)}
    ledger.end(number, result)
    shutil.rmtree(RunFolder(trial.folder).checkpoints, ignore_errors=True)  # as large as the network, times the trials
    return result


def train_trial(run: NetworkRunConfig, trial: Trial) -> dict[str, Any]:
    """The figures of a trained trial on the images held out."""
    training = NetworkRun(run)
    reporter = EpochReporter(run, training.splits, trial)
    try:
        training.train(watch=reporter.watch)
    except NonFiniteLossError:
        return {METRIC: 0.0, "diverged": True}
    except CheckpointError:
        if _is_finite(training.trainer):
            raise
        return {METRIC: 0.0, "diverged": True}
    metrics = reporter.measure()
    if not math.isfinite(metrics["loss"]):
        return {METRIC: 0.0, "diverged": True}
    return {METRIC: metrics["top1"], **metrics, "diverged": False}


class EpochReporter:
    """Reports the accuracy on the images held out after each epoch; of a trial that goes on, the earlier ones again.

    Args:
        run: The trial's.
        splits: The images.
        trial: Whose number goes with each report, and whose folder keeps them.
    """

    def __init__(self, run: NetworkRunConfig, splits: Splits, trial: Trial):
        self.run = run
        self.splits = splits
        self.number = trial.number
        self.log = JsonLinesLog(trial.folder / "epochs.jsonl")
        self._trainer: Trainer | None = None

    def watch(self, trainer: Trainer) -> EpochReporter:
        """Report of this trainer's model, and at once what was reported up to its checkpoint."""
        self._trainer = trainer
        latest = latest_checkpoint(RunFolder(Path(self.run.output)).checkpoints)
        self.log.rewind(int(read_state(latest)["step"]) if latest else 0)
        for record in self.log.read() if self.log.path.exists() else []:
            self._report(record["top1"])
        return self

    def measure(self) -> dict[str, float]:
        """The network's figures on the images held out."""
        assert self._trainer is not None
        model = self._trainer.accelerator.unwrap_model(self._trainer.update.model)
        batches = eval_loader(
            self.splits.search, batch_size=self.run.training.batch_size, num_workers=self.run.data.workers
        )
        return evaluate(model, batches).to_dict()

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take a step's record in."""
        assert self._trainer is not None
        step = int(record["step"])
        if (step + 1) % self._trainer.steps_per_epoch:
            return
        top1 = self.measure()["top1"]
        self.log.write({"step": step, "top1": top1})
        self._report(top1)

    def _report(self, top1: float) -> None:
        nni.report_intermediate_result({METRIC: top1, TRIAL: self.number})


def _is_finite(trainer: Trainer) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in trainer.update.model.parameters())


if __name__ == "__main__":
    main()
