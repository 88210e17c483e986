"""A search over a ledger of trials by NNI's manager on this computer."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nni
from nni.experiment import Experiment, ExperimentConfig
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.tools.package_utils.tuner_factory import create_builtin_class_instance

from ...errors import SearchError
from ...owner import owned
from ...runs import when_told_to_end
from .ledger_tuner import LedgerTuner
from .leftover_manager import forget_manager, note_manager, stop_leftover
from .manager import FAILED, last_line
from .manager_start import ask_manager, check_tuner, start_manager
from .trial_ledger import TrialLedger

logger = logging.getLogger(__name__)

_PAUSES = (2.0, 10.0)  # seconds before another start
_HOPELESS = 3  # trials that failed with none that ended well
_POLL_SECONDS = 1.0

OnTrials = Callable[[int, int], None]
"""Told how many trials have ended of how many."""


@dataclass(frozen=True, kw_only=True)
class HpoSettings:
    """What NNI is asked for.

    Attributes:
        name: The experiment's, in NNI's portal.
        search_space: NNI's.
        command: Of a trial; runs in this process's working directory.
        trials: How many with a result there shall be in the ledger.
        concurrency: Trials at once.
        tuner: One of NNI's.
        tuner_args: Its arguments.
        assessor: One of NNI's; None to let every trial run to its end.
        assessor_args: Its arguments.
        trial_gpus: GPUs that NNI keeps for each trial; None to let every trial see all.
    """

    name: str
    search_space: Mapping[str, Any]
    command: str
    trials: int
    concurrency: int = 1
    tuner: str = "TPE"
    tuner_args: Mapping[str, Any]
    assessor: str | None = None
    assessor_args: Mapping[str, Any] | None = None
    trial_gpus: int | None = None


def run_hpo(folder: Path, ledger: TrialLedger, settings: HpoSettings, on_trials: OnTrials | None = None) -> None:
    """Run trials until as many as asked for have ended, or on from where a search in the same folder stopped.

    Each call begins a new NNI experiment, which goes on from the ledger (see `LedgerTuner`), and further ones where its
    manager breaks. One that a killed process left running is stopped first. A trial that fails is reported and left
    without a result; the next call repeats it.

    Args:
        folder: For NNI's files; experiments lie in folders below it.
        ledger: The trials.
        settings: What to ask for.
        on_trials: Called when that changes.

    Raises:
        SearchError: Every trial failed, or NNI's manager cannot be kept running. What is in the ledger stays.
        InUseError: Another process searches in the folder.
    """
    nni.silence_stdout()
    with owned(folder / ".owner", f"the search in {folder}", "choose another output"):
        stop_leftover(folder)
        broken, known = 0, len(ledger.ended())
        while len(ledger.ended()) < settings.trials:
            experiment = _build(folder, ledger, settings)
            with when_told_to_end():  # the manager's process would go on without us
                try:
                    dispatcher = _start(experiment, folder, ledger, settings)
                    ended = dispatcher is not None and _wait(experiment, dispatcher, ledger, settings, on_trials)
                finally:
                    with suppress(Exception):
                        experiment.stop()
                        forget_manager(folder)
            if ended:
                return
            if len(ledger.ended()) > known:
                broken, known = 0, len(ledger.ended())
            if broken == len(_PAUSES):
                raise SearchError(
                    f"NNI's manager broke {broken + 1} times; see "
                    f"{folder / experiment.id}/log (trials keep their results; run the same command again to go on)"
                )
            logger.warning("NNI's manager broke; another start in %g s", _PAUSES[broken])
            time.sleep(_PAUSES[broken])
            broken += 1


def _build(folder: Path, ledger: TrialLedger, settings: HpoSettings) -> Experiment:
    config = ExperimentConfig("local")
    config.experiment_name = settings.name
    config.experiment_working_directory = str(folder.resolve())
    config.search_space = dict(settings.search_space)
    config.trial_command = settings.command
    config.trial_code_directory = str(Path.cwd())
    config.trial_concurrency = settings.concurrency
    config.max_trial_number = settings.trials - len(ledger.ended())
    config.trial_gpu_number = settings.trial_gpus
    tuner: Any = config.tuner  # for the portal: the tuner itself runs here
    tuner.name, tuner.class_args = settings.tuner, dict(settings.tuner_args)
    if settings.trial_gpus:
        config.training_service.use_active_gpu = True  # type: ignore[union-attr]
    return Experiment(config)


def _start(experiment: Experiment, folder: Path, ledger: TrialLedger, settings: HpoSettings) -> MsgDispatcher | None:
    """What calls the tuner; None where the manager did not start."""
    note_manager(folder, experiment.id)
    tuner = LedgerTuner(ledger, settings.tuner, settings.tuner_args)
    assessor = None
    if settings.assessor:
        assessor = create_builtin_class_instance(settings.assessor, dict(settings.assessor_args or {}), "assessors")
    try:
        return start_manager(experiment, _free_port(), tuner, assessor)
    except SearchError as error:
        logger.warning("%s", error)
        return None


def _wait(
    experiment: Experiment,
    dispatcher: MsgDispatcher,
    ledger: TrialLedger,
    settings: HpoSettings,
    on_trials: OnTrials | None,
) -> bool:
    """Whether the experiment came to its end; False if it broke.

    Raises:
        SearchError: The trials fail, or the tuner does.
    """
    told = -1
    while True:
        check_tuner(experiment, dispatcher)
        try:
            status, jobs = ask_manager(experiment, lambda: (experiment.get_status(), experiment.list_trial_jobs()))
        except SearchError as error:
            logger.warning("%s", error)
            return False
        ended = len(ledger.ended())
        if on_trials and ended != told:
            on_trials(ended, settings.trials)
            told = ended
        failed = [job.trialJobId for job in jobs if job.status in FAILED]
        if len(failed) >= min(_HOPELESS, settings.trials) and not ended:
            raise SearchError(_why(experiment, failed))
        if status == "ERROR":
            return False
        if status in ("DONE", "STOPPED"):
            if failed:
                logger.warning("%d trials failed: %s", len(failed), _why(experiment, failed))
            if not ended:
                raise SearchError(_why(experiment, failed))
            return True
        time.sleep(_POLL_SECONDS)


def _why(experiment: Experiment, failed: list[str]) -> str:
    """The end of a failed trial's complaints."""
    assert experiment.config is not None
    trials = Path(str(experiment.config.experiment_working_directory)) / experiment.id / "environments/local-env/trials"
    for number in failed:
        file = trials / number / "trial.stderr"
        if said := last_line(file):
            return f"trials fail, the first with: {said} ({file})"
    return f"trials fail; see {trials}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]
