"""NNI's manager, started and asked with the patience that a busy machine needs, and with a tuner of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import TypeVar

from nni.assessor import Assessor
from nni.experiment import Experiment, RunMode, launcher, rest
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.tools.nnictl.config_utils import Experiments
from nni.tuner import Tuner

from ...errors import SearchError

_ANSWER_SECONDS, _END_SECONDS = 120.0, 10.0
_POLL_SECONDS = 0.5
_SILENT = 10  # questions without an answer, a second apart, that are taken for the manager's end
_PAUSE = 1.0

Answer = TypeVar("Answer")


def start_manager(experiment: Experiment, port: int, tuner: Tuner, assessor: Assessor | None = None) -> MsgDispatcher:
    """Start an experiment whose tuner and assessor run in a thread of this process.

    NNI's own start gives the manager about two seconds to answer, and then a process for the tuner ten seconds from its
    start to connect, which is too little for a machine that is busy otherwise. Here the manager has two minutes, and
    the tuner is connected before the experiment begins, over the channel that NNI has for its NAS experiments. What
    the manager prints goes to the experiment's log folder. It goes on when this process ends; `experiment.stop()` ends
    it.

    Args:
        experiment: Not started yet.
        port: Of the manager's interface and portal.
        tuner: Gives parameters and is told results.
        assessor: Stops trials, where there is one.

    Returns:
        What the tuner is called by; its ``worker_exceptions`` are the tuner's and the assessor's.

    Raises:
        SearchError: The manager did not answer, or refused the experiment.
    """
    assert experiment.config is not None
    config = experiment.config.canonical_copy()
    folder, log = Path(str(config.experiment_working_directory)), log_folder(experiment)
    channel = f"ws://localhost:{port}/tuner"
    experiment._start_logging(False)  # makes the folder, too
    arguments = launcher.NniManagerArgs("create", experiment.id, config, port, False, False, None, channel)
    process = launcher._start_rest_server(arguments, RunMode.Detach)
    try:
        _wait_for_answer(process, port, log)
        Experiments().add_experiment(
            experiment.id, port, int(time.time() * 1000), "local", config.experiment_name, pid=process.pid,
            logDir=str(folder), tag=[], prefixUrl=None,
        )  # fmt: skip
        dispatcher = MsgDispatcher(channel, tuner, assessor)
        threading.Thread(target=_run, args=(dispatcher,), name="nni_tuner", daemon=True).start()
        rest.post(port, "/experiment", config.json(), None)
    except BaseException as error:  # also where we are asked to end
        _end(process)
        if isinstance(error, SearchError) or not isinstance(error, Exception):
            raise
        raise SearchError(f"NNI's manager did not take the experiment: {error} ({log})") from error
    experiment._proc, experiment.port = process, port
    return dispatcher


def check_tuner(experiment: Experiment, dispatcher: MsgDispatcher) -> None:
    """SearchError where the tuner or assessor failed, for which the manager would wait without end."""
    for error in dispatcher.worker_exceptions:
        raise SearchError(
            f"experiment {experiment.id} failed: its tuner or assessor: {type(error).__name__}: {error}; "
            f"see {log_folder(experiment)}"
        ) from error


def ask_manager(experiment: Experiment, ask: Callable[[], Answer]) -> Answer:
    """What `ask` gives, which is asked again for a while where the manager does not answer.

    Raises:
        SearchError: The manager does not answer any more; something killed it, or broke it.
    """
    silent = 0
    while True:
        try:
            return ask()
        except Exception as error:  # of requests or urllib3
            silent += 1
            if silent == _SILENT:
                raise SearchError(
                    f"NNI's manager of experiment {experiment.id} does not answer any more ({type(error).__name__}); "
                    f"was it killed? See {log_folder(experiment)}; trials that ended keep their results"
                ) from error
            time.sleep(_PAUSE)


def log_folder(experiment: Experiment) -> Path:
    """Of an experiment's manager."""
    assert experiment.config is not None
    return Path(str(experiment.config.canonical_copy().experiment_working_directory)) / experiment.id / "log"


def _run(dispatcher: MsgDispatcher) -> None:
    with suppress(Exception):  # the manager has gone; who waits for it sees that
        dispatcher.run()


def _end(process: Popen[bytes]) -> None:
    """By asking first: then it stops its trials."""
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except TimeoutExpired:
        process.kill()


def _wait_for_answer(process: Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _ANSWER_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with suppress(Exception):
            rest.get(port, "/check-status", None)
            return
        time.sleep(_POLL_SECONDS)
    raise SearchError(f"NNI's manager does not answer; see {log}")
