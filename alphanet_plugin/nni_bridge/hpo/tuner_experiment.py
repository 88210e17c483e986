"""An `nnictl create` file run with its tuner in this process, however busy the machine is."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import nni
from nni.common.hpo_utils import validate_search_space
from nni.experiment import Experiment, ExperimentConfig, rest
from nni.experiment.config.utils.internal import unset_base_path
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.tools.package_utils import get_all_algo_meta
from nni.tools.package_utils.tuner_factory import create_builtin_class_instance
from nni.tuner import Tuner

from alphanet_tuner import EvolutionTuner, report_through

from ...errors import ConfigError, SearchError
from ...nearest import did_you_mean
from ...runs import when_told_to_end
from .evolution_arguments import check_arguments
from .hpo_experiment import OnTrials
from .manager_start import ask_manager, check_tuner, start_manager

CLASS_NAME = "alphanet_tuner.EvolutionTuner"
_POLL_SECONDS = 2.0


def is_tuner_file(content: Mapping[str, Any]) -> bool:
    """Whether this is such a file, and not one of a NAS experiment."""
    return "trialCommand" in content


def run_tuner_file(
    path: Path, *, port: int, on_start: Callable[[str], None] | None = None, on_trials: OnTrials | None = None
) -> str:
    """Run the experiment to its end; returns its id.

    `nnictl create` starts the tuner as a process, which imports NNI (with pandas and scipy, about five seconds of a
    processor) before it connects, and gives up after ten. Here the tuner is connected before the experiment begins.

    Args:
        path: The file.
        port: Of NNI's portal.
        on_start: Called with the experiment's id when it has begun.
        on_trials: Told how many trials have a result of how many, whenever that changes.

    Raises:
        ConfigError: NNI does not take the file, or its tuner is neither ours nor one of NNI's.
        SearchError: The port is taken, the experiment or its tuner failed (the message is theirs), or the manager does
            not answer any more.
    """
    config = _read(path)
    nni.silence_stdout()  # what its log holds is not for the screen
    tuner = _build_tuner(config.tuner, path)
    assessor: Any = config.assessor and _build(config.assessor, "assessors", path)
    _check_free(port)
    os.environ.update(NNI_TUNER_COMMAND_CHANNEL=f"ws://localhost:{port}/tuner", NNI_MODE="create")
    experiment = Experiment(config)
    failures: list[str] = []
    with when_told_to_end():  # the manager's process would go on without us
        try:
            dispatcher = start_manager(experiment, port, tuner, assessor)
            report_through(lambda message: (failures.append(message), dispatcher.report_error(message)))
            if on_start:
                on_start(experiment.id)
            _wait(experiment, dispatcher, tuner, failures, on_trials)
        finally:
            report_through(None)
            experiment.stop()
            tuner._on_exit()
    return experiment.id


def _check_free(port: int) -> None:
    """Another experiment's manager would answer in place of ours."""
    try:
        with socket.create_server(("", port)):
            pass
    except (OSError, OverflowError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise SearchError(
            f"port {port} cannot be had ({why}); choose another with --port, or stop what holds it "
            "(nnictl experiment list shows experiments that still run)"
        ) from error


def _read(path: Path) -> ExperimentConfig:
    try:
        config = ExperimentConfig.load(str(path))
        space = config.canonical_copy().search_space
        if isinstance(space, dict):  # of a choice NNI's tuners take more than its check does
            space = {key: of for key, of in space.items() if not isinstance(of, dict) or of.get("_type") != "choice"}
        validate_search_space(space, raise_exception=True)  # they take a mistyped _type for one that it resembles
    except Exception as error:  # NNI's are of many kinds
        unset_base_path()  # which it forgets, and then reads no further file
        raise ConfigError(f"{path}: NNI does not take it: {_what(error)}") from error
    return config


def _what(error: Exception) -> str:
    """What an error says; of one that says nothing, as of most of NNI's own checks, the line that raised it."""
    return str(error) or str(traceback.extract_tb(error.__traceback__)[-1].line).replace("self.", "")


def _build_tuner(given: Any, path: Path) -> Tuner:
    if getattr(given, "class_name", None) == CLASS_NAME:
        check_arguments(given.class_args or {})
        return EvolutionTuner(**given.class_args)
    return _build(given, "tuners", path)


def _build(given: Any, kind: Literal["tuners", "assessors"], path: Path) -> Any:
    """One of NNI's own tuners or assessors."""
    if not given.name:
        raise ConfigError(
            f"{path}: {kind[:-1]}.className must be {CLASS_NAME} here, or one of NNI's {kind} is given by name; "
            "run others with nnictl create"
        )
    known = [algorithm.name for algorithm in get_all_algo_meta() if algorithm.algo_type == kind.removesuffix("s")]
    if given.name.lower() not in map(str.lower, known):
        raise ConfigError(f"{path}: {kind[:-1]}: NNI knows no {given.name!r:.60}; {did_you_mean(given.name, known)}")
    try:
        return create_builtin_class_instance(given.name, dict(given.class_args or {}), kind)
    except Exception as error:  # theirs are of many kinds
        raise ConfigError(f"{path}: {kind[:-1]} {given.name}: {error}") from error


def _wait(
    experiment: Experiment,
    dispatcher: MsgDispatcher,
    tuner: Tuner,
    failures: Sequence[str],
    on_trials: OnTrials | None,
) -> None:
    told = None
    while True:
        check_tuner(experiment, dispatcher)
        answer, progress = ask_manager(
            experiment, lambda: (rest.get(experiment.port, "/check-status", None), _progress(experiment, tuner))
        )
        if on_trials and progress not in (None, told):
            on_trials(*progress)
            told = progress
        if answer["status"] in ("DONE", "STOPPED"):
            return
        if answer["status"] == "ERROR":
            raise SearchError(f"experiment {experiment.id} failed: {' | '.join(failures or answer['errors'])}")
        time.sleep(_POLL_SECONDS)


def _progress(experiment: Experiment, tuner: Tuner) -> tuple[int, int] | None:
    """How many of how many have a result; None where it is not known yet."""
    if isinstance(tuner, EvolutionTuner):
        return tuner.progress
    assert experiment.config is not None
    jobs = rest.get(experiment.port, "/trial-jobs", None)
    return sum(job["status"] == "SUCCEEDED" for job in jobs), experiment.config.max_trial_number or len(jobs)
