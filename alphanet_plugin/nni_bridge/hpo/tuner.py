"""Our evolution as a tuner of NNI experiments."""

from __future__ import annotations

import logging
import os
import shlex
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nni
from nni.tuner import Tuner

from ...errors import SearchError
from ...runs import read_search_plan
from ...search import Evaluated, HistoryEntry, SearchHistory, next_batch
from ...spaces import Arch
from .evolution_arguments import MAX_FAILURES, SEARCH_KEYS, check_arguments
from .handed_out import HandedOut
from .manager import Manager
from .trial_result import unpack_result

logger = logging.getLogger("nni.alphanet_plugin.tuner")  # below NNI's, which writes to the experiment's dispatcher.log

SendTrial = Callable[[int, Any], None]


class EvolutionTuner(Tuner):
    """The evolution of `alphanet search`, its subnets evaluated by NNI's trials (AlphaNet, section 4.2).

    The rounds, their order and their seeds are those of `search.EvolutionRounds`: the same archs as `alphanet search`
    proposes, however many trials run at once. Children have parents only when a round is in, so the last trials of a
    round leave other places idle. Every result is on disk in ``RUN/search.jsonl`` before anything else happens; what
    stands there is not evaluated again, which is how a stopped experiment is resumed, and `alphanet publish RUN` picks
    its front up. A subnet whose trial fails, is killed or reports nothing usable is handed out again; after
    `max_retries` further trials it is given up, counted and logged.

    What NNI 3.0 does and what is done about it here:

    - A request that the tuner cannot meet yet is never repeated, so each such one would leave a place idle for good.
      They are kept and met as soon as there are subnets (`st_callback`, as NNI's own PBT tuner uses it).
    - Trials may get each other's parameters (see `HandedOut`); results are known by the arch that they carry.
    - Trials of before a resumption are not announced to the tuner, and their failure never is; the manager is asked.
    - An experiment whose tuner has no more trials never ends; see `Manager.end_experiment`.
    - ``classArgsValidator`` is not called for NNI 3's configurations; the arguments are checked here.

    Args:
        run: Folder of a trained run, relative to the experiment's trialCodeDirectory.
        seed: Of the evolution; the run's by default.
        presets: Names of presets to evaluate first.
        max_retries: How often a subnet is handed out again after its trial failed.
        max_failures: So many trials that fail one after the other, with none between that reports something usable,
            end the experiment with an error that says what the last ones said.
        settle_seconds: How long a result may take after NNI has said that its trial ended.
        search: Keys of the configuration's search section (`config.SearchConfig`): min_mflops, max_mflops, num_random,
            num_parents, num_crossovers, num_mutations, num_rounds, mutation_probability, rank, bin_mflops, and cost
            (mflops or params). The run's by default.

    Raises:
        ConfigError: An argument is not known or not valid.
        CheckpointError: The run is not trained.
        SearchError: The run's history belongs to another search or is in use.
    """

    def __init__(self, *, settle_seconds: float = 5.0, **arguments: Any):
        super().__init__()
        check_arguments(arguments)
        self._manager = Manager.of_this_tuner()
        run = _resolve(arguments["run"], self._manager)
        self._plan = read_search_plan(
            run,
            {key: value for key, value in arguments.items() if key in SEARCH_KEYS},
            seed=arguments.get("seed"),
            presets=arguments.get("presets", ()),
        )
        self._history = SearchHistory(self._plan.folder.history, self._plan.fingerprint, check=self._plan.check)
        self._found = {entry.evaluated.arch: entry.evaluated for entry in self._history}
        self._handed = HandedOut(arguments.get("max_retries", 2))
        self._settle_seconds = settle_seconds
        self._lock = threading.RLock()  # NNI calls trial_end on another thread than the rest
        self._send: SendTrial | None = None
        self._owed: list[int] = []  # parameter ids that were asked for and not given yet
        self._before_resumption: set[int] = set()
        self._rounds = self._plan.rounds.rounds()
        self._batch: dict[Arch, str] = {}
        self._round = -1
        self._failures = 0
        self._max_failures = arguments.get("max_failures", MAX_FAILURES)
        self._failures_in_a_row = 0
        self.given_up: list[Arch] = []
        self.finished = False
        self._begin_round(next_batch(self._rounds))

    @property
    def progress(self) -> tuple[int, int]:
        """Subnets that are measured, and how many the search measures in all."""
        return len(self._found), self._plan.rounds.num_evaluations

    # -- what NNI calls -------------------------------------------------------------------------------------------

    def update_search_space(self, search_space: Any) -> None:
        """Nothing: the space is the run's."""

    def generate_multiple_parameters(
        self,
        parameter_id_list: list[int],
        st_callback: SendTrial | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> list[dict[str, str]]:
        """``{"arch": printed form}`` for each id; what is missing of them is sent through `st_callback` later."""
        with self._lock:
            first, self._send = self._send is None, st_callback
            if first and os.environ.get("NNI_MODE") == "resume":
                self._adopt_trials()
            self._ask_after_trials_of_before()
            self._advance()
            self._pay()
            given = []
            for parameter_id in parameter_id_list:
                parameters = self._take(parameter_id)
                if parameters is None:
                    break
                given.append(parameters)
            self._owed += parameter_id_list[len(given) :]
            return given

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, str]:
        """As `generate_multiple_parameters`, for one; NoMoreTrialError if there is none now."""
        given = self.generate_multiple_parameters([parameter_id], **kwargs)
        if not given:
            raise nni.NoMoreTrialError("no subnet is left to evaluate now")
        return given[0]

    def receive_trial_result(self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep a trial's result; one that cannot be used is logged, and its subnet handed out again."""
        with self._lock:
            self._take_in(value)
            self._advance()
            self._pay()

    def import_data(self, data: list[Any]) -> None:
        """Results of trials before a resumption, or of ``nnictl experiment import``."""
        with self._lock:
            for record in data:
                self._take_in(record["value"])
            self._advance()
            self._pay()

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:  # noqa: ARG002
        """A trial ended. Its result is NNI's other thread's to deliver, so what it leaves behind is looked at later."""
        with self._lock:
            if not success:
                self._failures += 1
                self._failures_in_a_row += 1
                logger.warning("trial with parameters %d failed or was killed", parameter_id)
                self._stop_where_all_fail()
        self._later(lambda: self._settle(parameter_id))

    def _on_exit(self) -> None:
        if not self.finished:
            logger.warning("the search is not at its end: %s; resume the experiment to go on", self._summary())
        self._history.close()

    def _on_error(self) -> None:
        self._history.close()

    def _stop_where_all_fail(self) -> None:
        """End the experiment with an error where the trials fail one after the other."""
        if self._failures_in_a_row < self._max_failures or self.finished:
            return
        self.finished = True  # nothing is handed out any more
        self._history.close()
        said = self._manager.last_words() if self._manager else []
        message = (
            f"the search stops: {self._failures_in_a_row} trials in a row failed or were killed (max_failures); "
            + (f"they said: {' | '.join(said)}" if said else "see trial.stderr in the experiment's folder")
        )
        logger.error(message)
        if self._manager:
            self._manager.fail_experiment(message)

    # -- rounds ---------------------------------------------------------------------------------------------------

    def _begin_round(self, batch: list[tuple[Arch, str]] | None) -> None:
        """Line a round up, past those that the history knows already; the end if there is none."""
        if batch is None:
            self._batch = {}
            self._finish()
            return
        self._round += 1
        self._batch = dict(batch)
        self._handed.add(arch for arch in self._batch if arch not in self._found)

    def _advance(self) -> None:
        """Hand lost subnets out again, and begin the next round where this one is in."""
        while not self.finished:
            again, given_up = self._handed.retry_lost()
            for arch in again:
                logger.warning("no result of %s; it is evaluated again", arch)
            for arch in given_up:
                logger.error("given up after %d trials without a result: %s", self._handed.max_retries + 1, arch)
            self.given_up += given_up
            if not self._handed.is_done():
                return
            measured = [self._found[arch] for arch in self._batch if arch in self._found]
            self._begin_round(next_batch(self._rounds, measured))

    def _finish(self) -> None:
        self.finished = True
        self._history.close()
        run = shlex.quote(str(self._plan.folder.path))
        logger.info("the search is at its end: %s; next: alphanet publish %s", self._summary(), run)
        if self._manager:
            try:
                self._manager.end_experiment()
            except OSError as error:
                logger.warning("the manager could not be told (%s); stop the experiment with nnictl stop", error)

    def _summary(self) -> str:
        return (
            f"{len(self._found)} subnets in {self._plan.folder.history}, {self._failures} trials failed, "
            f"{len(self.given_up)} subnets given up"
        )

    # -- trials ---------------------------------------------------------------------------------------------------

    def _take(self, parameter_id: int) -> dict[str, str] | None:
        arch = None if self.finished else self._handed.take(parameter_id)
        return None if arch is None else {"arch": str(arch)}

    def _pay(self) -> None:
        """Meet requests of before, oldest first."""
        while self._owed and self._send:
            parameters = self._take(self._owed[0])
            if parameters is None:
                return
            self._send(self._owed.pop(0), parameters)

    def _later(self, act: Callable[[], None]) -> None:
        if not self._settle_seconds:
            act()
            return
        timer = threading.Timer(self._settle_seconds, act)
        timer.daemon = True
        timer.start()

    def _settle(self, parameter_id: int) -> None:
        with self._lock:
            self._handed.live.discard(parameter_id)
            self._advance()
            self._pay()

    def _adopt_trials(self) -> None:
        """Trials that NNI starts again on resumption: their subnets are not proposed a second time."""
        for job in self._manager.trial_jobs() if self._manager else ():
            arch = job.parameters.get("arch") if isinstance(job.parameters, Mapping) else None
            if arch and not job.ended and job.parameter_id is not None:
                self._before_resumption.add(job.parameter_id)
                self._handed.adopt(job.parameter_id, self._plan.rounds.space.parse(arch))

    def _ask_after_trials_of_before(self) -> None:
        running = self._before_resumption & self._handed.live
        if not running or not self._manager or not self._handed.may_wait_for_results():
            return
        ended = {job.parameter_id for job in self._manager.trial_jobs() if job.ended}
        self._handed.live -= running & ended

    # -- results --------------------------------------------------------------------------------------------------

    def _take_in(self, value: Any) -> None:
        try:
            arch, metrics = unpack_result(value, self._plan.fingerprint)
            arch = self._plan.rounds.space.validate(arch)
            mflops = self._plan.rounds.space.mflops(arch, self._plan.rounds.num_classes)
            subnet = Evaluated(arch, mflops, metrics)
            subnet.score(self._plan.rounds.metric)
        except (ValueError, SearchError) as error:
            logger.error("a trial's result cannot be used: %s", error)
            return
        self._failures_in_a_row = 0
        if arch in self._found or self.finished:
            return
        self._history.record(HistoryEntry(subnet, max(0, self._round), self._batch.get(arch, "given")))
        self._found[arch] = subnet
        self._handed.measured(arch)


def _resolve(run: str, manager: Manager | None) -> Path:
    """Relative paths mean the same here as for trials; NNI starts tuners in a folder of its own."""
    path = Path(run).expanduser()
    return Path(manager.code_directory()) / path if manager and not path.is_absolute() else path


__all__ = ["EvolutionTuner"]
