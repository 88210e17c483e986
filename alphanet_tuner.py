"""Our evolution as NNI starts it: ``className: alphanet_tuner.EvolutionTuner``.

NNI's manager gives a tuner ten seconds from its start to connect, and ends the experiment with an error otherwise.
Importing anything of `alphanet_plugin` loads torch and timm, which on a busy machine takes longer than that. So this
stands beside the package, connects first, and loads the package when the manager sends the search space.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nni.runtime.tuner_command_channel import CommandType, TunerCommandChannel
from nni.tuner import Tuner

if TYPE_CHECKING:
    from alphanet_plugin.nni_bridge.hpo.tuner import EvolutionTuner as LoadedTuner

logger = logging.getLogger("nni.alphanet_tuner")


class EvolutionTuner(Tuner):
    """`alphanet_plugin.nni_bridge.hpo.tuner.EvolutionTuner`, which has the arguments, loaded after connecting."""

    def __init__(self, **arguments: Any):
        super().__init__()
        self._arguments = arguments
        self._loaded: LoadedTuner | None = None

    @property
    def loaded(self) -> LoadedTuner:
        """The tuner itself."""
        assert self._loaded is not None, "NNI sends the search space before all else"
        return self._loaded

    @property
    def progress(self) -> tuple[int, int] | None:
        """Subnets that are measured, and how many the search measures in all; None until the tuner is loaded."""
        return None if self._loaded is None else self._loaded.progress

    def update_search_space(self, search_space: Any) -> None:
        """Load the tuner; the space is the run's."""
        with _errors_end_the_experiment():
            if self._loaded is None:
                from alphanet_plugin.nni_bridge.hpo.tuner import EvolutionTuner as LoadedTuner

                self._loaded = LoadedTuner(**self._arguments)
            self._loaded.update_search_space(search_space)

    def generate_multiple_parameters(self, parameter_id_list: list[int], **kwargs: Any) -> list[Any]:
        """As the tuner itself."""
        with _errors_end_the_experiment():
            return self.loaded.generate_multiple_parameters(parameter_id_list, **kwargs)

    def receive_trial_result(self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any) -> None:
        """As the tuner itself."""
        with _errors_end_the_experiment():
            self.loaded.receive_trial_result(parameter_id, parameters, value, **kwargs)

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """As the tuner itself."""
        with _errors_end_the_experiment():
            self.loaded.trial_end(parameter_id, success, **kwargs)

    def import_data(self, data: list[Any]) -> None:
        """As the tuner itself."""
        with _errors_end_the_experiment():
            self.loaded.import_data(data)

    def _on_exit(self) -> None:
        if self._loaded is not None:
            self._loaded._on_exit()

    def _on_error(self) -> None:
        if self._loaded is not None:
            self._loaded._on_error()


@contextmanager
def _errors_end_the_experiment() -> Iterator[None]:
    """An error of the tuner makes the experiment's status ERROR.

    Where a tuner raises, NNI's dispatcher ends a thread and tells nobody, and where the process ends the manager goes
    on waiting for it: the experiment would stay RUNNING for ever. The dispatcher's command for errors does it, sent
    over a connection of our own. Where nobody takes it the manager has ended, and with it what the tuner needs: the
    experiment was stopped, and this thread ends without an error.
    """
    try:
        yield
    except Exception as error:
        try:
            report_error(f"the tuner failed: {error}")
        except OSError:
            logger.info("the experiment was stopped while the tuner was at work")
            raise SystemExit from None
        logger.exception("the tuner failed: %s", error)
        raise


_report: Callable[[str], Any] | None = None


def report_through(report: Callable[[str], Any] | None) -> None:
    """Errors go this way where the tuner runs in a process that has the manager's one connection already."""
    global _report
    _report = report


def report_error(message: str) -> None:
    """Tell the manager, where there is one, that the experiment ends with this error."""
    url = os.environ.get("NNI_TUNER_COMMAND_CHANNEL")
    if _report is not None:
        _report(message)
    elif url:
        channel = TunerCommandChannel(url)
        channel.connect()
        channel._send(CommandType.Error, message)
