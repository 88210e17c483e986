"""Any of NNI's tuners, going on from what a ledger of trials tells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nni.tools.package_utils.tuner_factory import create_builtin_class_instance
from nni.tuner import Tuner

from .trial_ledger import METRIC, TrialLedger

logger = logging.getLogger("nni.alphanet_plugin.ledger_tuner")  # below NNI's, which writes to experiment.log

TRIAL = "trial"  # the trial's number, among its parameters and in its result


class LedgerTuner(Tuner):
    """One of NNI's tuners behind a `TrialLedger`, so that no search depends on one NNI experiment.

    A new experiment on the same ledger goes on where the one before stopped: the tuner learns the results that are
    there, trials without a result come first, with the parameters that they had, and then it chooses new ones.
    (`nnictl resume` starts trials that ran anew elsewhere, without their checkpoints, and cannot go on with an
    experiment whose resumption failed once.) A trial finds its number beside its parameters, for NNI 3.0 may hand
    parameters to another trial than it lists them with.

    Args:
        ledger: The trials.
        name: One of NNI's tuners, such as ``TPE``.
        class_args: Its arguments; ``optimize_mode`` should be ``maximize``.
    """

    def __init__(self, ledger: TrialLedger, name: str = "TPE", class_args: Mapping[str, Any] | None = None):
        super().__init__()
        self.ledger = ledger
        self.inner: Any = create_builtin_class_instance(name, dict(class_args or {}), "tuners")
        self._ids: dict[int, int] = {}  # trial -> the inner tuner's parameter id, for those of this experiment
        trials = self.ledger.trials()
        self._again = [trial for trial in trials if trial.result is None]
        self._known = [trial for trial in trials if trial.result is not None]

    def update_search_space(self, search_space: Any) -> None:
        """Hand the space on, and the results of before the first time."""
        self.inner.update_search_space(search_space)
        if self._known:
            self.inner.import_data(
                [{"parameter": dict(trial.parameters), "value": trial.result[METRIC]} for trial in self._known
                 if trial.result]
            )  # fmt: skip
            self._known = []

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """A trial without a result if one is left, else a new one of the inner tuner's."""
        if self._again:
            trial = self._again.pop(0)
            logger.info("trial %d once more", trial.number)
        else:
            trial = self.ledger.add(self.inner.generate_parameters(parameter_id, **kwargs))
            self._ids[trial.number] = parameter_id
        return {**trial.parameters, TRIAL: trial.number}

    def receive_trial_result(self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Tell the inner tuner, and the ledger where an assessor stopped the trial before it could."""
        trial = self.ledger[int(value[TRIAL])]
        if trial.result is None:
            self.ledger.end(trial.number, {**value, "stopped_early": True})
        inner_id = self._ids.pop(trial.number, None)
        if inner_id is None:
            self.inner.import_data([{"parameter": dict(trial.parameters), "value": value[METRIC]}])
        else:
            self.inner.receive_trial_result(inner_id, dict(trial.parameters), value, **kwargs)

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """A trial ended; one that failed stays without a result in the ledger."""
        if not success and parameter_id in self._ids.values():
            self.inner.trial_end(parameter_id, success, **kwargs)

    def import_data(self, data: list[Any]) -> None:
        """Nothing: what is to be known stands in the ledger."""
