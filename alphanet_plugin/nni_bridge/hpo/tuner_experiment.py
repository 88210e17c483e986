"""An `nnictl create` file with our tuner, run with the tuner in this process, however busy the machine is."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nni
from nni.experiment import Experiment, ExperimentConfig, rest

from alphanet_tuner import EvolutionTuner, report_through

from ...errors import ConfigError, SearchError
from .evolution_arguments import check_arguments
from .manager_start import start_manager

CLASS_NAME = "alphanet_tuner.EvolutionTuner"
_POLL_SECONDS = 2.0


def is_tuner_file(content: Mapping[str, Any]) -> bool:
    """Whether this is such a file, and not one of a NAS experiment."""
    return "trialCommand" in content


def run_tuner_file(path: Path, *, port: int) -> str:
    """Run the experiment to its end; returns its id.

    `nnictl create` starts the tuner as a process, which imports NNI (with pandas and scipy, about five seconds of a
    processor) before it connects, and gives up after ten. Here the tuner is connected before the experiment begins.

    Raises:
        ConfigError: NNI does not take the file, or its tuner is not ours.
        SearchError: The experiment failed; the message is the manager's.
    """
    try:
        config = ExperimentConfig.load(str(path))
        config.validate()
    except Exception as error:  # NNI's are of many kinds
        raise ConfigError(f"{path}: NNI does not take it: {error}") from error
    tuner: Any = config.tuner
    if getattr(tuner, "class_name", None) != CLASS_NAME:
        raise ConfigError(f"{path}: tuner.className must be {CLASS_NAME} here; run other tuners with nnictl create")
    check_arguments(tuner.class_args or {})
    os.environ.update(NNI_TUNER_COMMAND_CHANNEL=f"ws://localhost:{port}/tuner", NNI_MODE="create")
    nni.silence_stdout()  # what its log holds is not for the screen
    experiment = Experiment(config)
    evolution = EvolutionTuner(**tuner.class_args)
    try:
        failures: list[str] = []
        dispatcher = start_manager(experiment, port, evolution)
        report_through(lambda message: (failures.append(message), dispatcher.report_error(message)))
        print(f"experiment {experiment.id}: http://localhost:{port}", flush=True)
        _wait(experiment, failures)
    finally:
        report_through(None)
        experiment.stop()
        evolution._on_exit()
    return experiment.id


def _wait(experiment: Experiment, failures: Sequence[str]) -> None:
    while True:
        answer = rest.get(experiment.port, "/check-status", None)
        if answer["status"] in ("DONE", "STOPPED"):
            return
        if answer["status"] == "ERROR":
            raise SearchError(f"experiment {experiment.id} failed: {' | '.join(failures or answer['errors'])}")
        time.sleep(_POLL_SECONDS)
