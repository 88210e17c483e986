"""A training run as a trial of an NNI experiment: ``alphanet train --nni``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import nni

from ...errors import ConfigError
from ...evaluation import Evaluator
from ...runs import TrainedRun, build_evaluator
from ...spaces import Arch, SearchSpace

_NAME = "_name"  # how NNI marks the name of a nested choice


def next_overrides() -> list[str]:
    """What NNI's tuner chose for this trial, as ``--set`` takes it; only one process of a trial may ask, once.

    Raises:
        ConfigError: The parameters are not configuration keys with values.
    """
    return overrides_of(nni.get_next_parameter())


def overrides_of(parameters: Any) -> list[str]:
    """``--set`` overrides of a tuner's parameters, whose names are configuration keys such as ``training.lr``.

    A nested choice, which NNI gives as ``{"_name": "kl", "temperature": 2.0}``, replaces its whole section: its
    ``_name`` becomes ``name``, and keys of the configuration file that belong to another choice are gone.
    """
    if not isinstance(parameters, Mapping):
        raise ConfigError(
            f"NNI's parameters must be configuration keys with values, such as training.lr: 0.1, not {parameters!r}"
        )
    return [f"{key}={json.dumps(_plain(value))}" for key, value in parameters.items()]


def trial_folder() -> str:
    """``EXPERIMENT/TRIAL``; a trial that NNI starts again has the same, and finds its checkpoints there."""
    return f"{nni.get_experiment_id()}/{nni.get_trial_id()}"


def ends_of(space: SearchSpace) -> dict[str, Arch]:
    """The subnets whose accuracy is reported while training: two, because that is what an epoch can spare."""
    return {"smallest": space.smallest(), "largest": space.largest()}


def judged(space: SearchSpace) -> dict[str, Arch]:
    """The subnets by whose mean accuracy a trained supernet is judged: smallest, presets, largest, each once."""
    ends = ends_of(space)
    named = {"smallest": ends["smallest"], **space.presets, "largest": ends["largest"]}
    first_names = {arch: name for name, arch in reversed(named.items())}
    return {name: arch for name, arch in named.items() if first_names[arch] == name}


def mean_top1(evaluator: Evaluator, archs: Mapping[str, Arch]) -> dict[str, float]:
    """``default``, the mean, and each arch's top-1 (%), BatchNorm estimated anew for each."""
    top1 = {name: evaluator(arch).top1 for name, arch in archs.items()}
    return {"default": sum(top1.values()) / len(top1), **top1}


class EpochReporter:
    """Reports an intermediate result after each epoch: the two ends' accuracy and the mean distillation loss.

    Args:
        space: Of the supernet.
        evaluator: Measures a subnet of the supernet as it is now, on the search images.
        steps_per_epoch: Steps of an epoch.
    """

    def __init__(self, space: SearchSpace, evaluator: Evaluator, steps_per_epoch: int):
        self.archs = ends_of(space)
        self.evaluator = evaluator
        self.steps_per_epoch = steps_per_epoch
        self._kd_losses: list[float] = []

    def __call__(self, record: Mapping[str, float]) -> None:
        """Take a step's record in."""
        self._kd_losses.append(record["kd_loss"])
        if (int(record["step"]) + 1) % self.steps_per_epoch:
            return
        kd_loss = sum(self._kd_losses) / len(self._kd_losses)
        self._kd_losses.clear()
        nni.report_intermediate_result({**mean_top1(self.evaluator, self.archs), "kd_loss": kd_loss})


def report_end(run: TrainedRun) -> float:
    """Report the mean accuracy by which trials are compared as the final result; returns it."""
    result = mean_top1(build_evaluator(run), judged(run.space))
    nni.report_final_result(result)
    return result["default"]


def _plain(value: Any) -> Any:
    """Nested choices with their name as our configurations have it; whole floats, as quniform gives, as integers."""
    if isinstance(value, Mapping):
        return {"name" if key == _NAME else key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
