"""NAS experiments, also under several ranks, after a kill, and from YAML.

Sections of a file are ``experiment``, ``space``, ``evaluator`` and ``strategy``.
"""

from __future__ import annotations

import inspect
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from nni.experiment import Experiment
from nni.nas.evaluator import Evaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import Strategy
from nni.nas.utils.serializer import TorchSerializer, set_default_serializer
from nni.tools.nnictl.config_utils import Experiments

from ...config import KDConfig, RunConfig, list_recipes, read_mapping, with_recipe
from ...errors import ConfigError, brief
from ...nearest import did_you_mean
from ...runs import when_told_to_end
from ...spaces import list_spaces
from .strategy import SupernetStrategy


def run_experiment(
    space: ModelSpace,
    evaluator: Evaluator,
    strategy: Strategy,
    *,
    port: int = 8080,
    config: NasExperimentConfig | None = None,
    experiment_id: str | None = None,
    resume: bool = False,
) -> NasExperiment | None:
    """Run an experiment to its end. Under several ranks only the first writes its folder and serves the portal.

    Args:
        space: The model space.
        evaluator: An NNI evaluator.
        strategy: An NNI strategy; under several ranks one of this package, which trains on all of them.
        port: Of NNI's portal, where the engine has one.
        config: NNI's configuration.
        experiment_id: A name for the experiment, or the one to resume.
        resume: Go on with the experiment of that id.

    Returns:
        The experiment, for `export_top_models`; None on the other ranks.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM. NNI stops the experiment and returns as if nothing were wrong, so that a
            program would go on with what is half trained.
    """
    ranks = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))  # as Accelerator() would begin
    if ranks.num_processes > 1 and not isinstance(strategy, SupernetStrategy):
        raise ValueError(f"{type(strategy).__name__} runs in one process; several ranks are for SupernetStrategy")
    if not ranks.is_main_process:
        strategy(RawFormatModelSpace(space, evaluator), SequentialExecutionEngine())
        return None
    allow_evolution_to_resume()
    experiment = NasExperiment(space, evaluator, strategy, config=config, id=experiment_id)
    options: dict[str, Any] = {"port": port}
    with when_told_to_end(signal.default_int_handler):  # NNI's own way out, which keeps a checkpoint, is Ctrl-C's
        ended = experiment.resume(**options) if resume else experiment.run(**options)
    if not ended:
        raise KeyboardInterrupt(f"experiment {experiment.id} was stopped")
    return experiment


class ExperimentSerializer(TorchSerializer):
    """NNI's own, reading the experiment's own file as it was written."""

    def load(self, path: Path) -> Any:
        """What `save` wrote at `path`: only ever the checkpoint of one's own experiment, as reading it may run code."""
        return torch.load(path.with_name(path.name + self.suffix), weights_only=False)


def allow_evolution_to_resume() -> None:
    """Let NNI read its own checkpoints on torch 2.6 and later."""
    set_default_serializer(ExperimentSerializer())


_FILE = "alphanet.yaml"
_SECTIONS = ("experiment", "space", "evaluator", "strategy")
_ELASTIC = "alphanet_plugin.nni_bridge:ElasticSpace"
SPACES = {
    "alphanet": _ELASTIC,
    "elastic": _ELASTIC,  # with any name or table as its `space`
    **dict.fromkeys(list_spaces(), _ELASTIC),
    "mobilenet_v3": "nni.nas.hub.pytorch:MobileNetV3Space",
    "proxylessnas": "nni.nas.hub.pytorch:ProxylessNAS",
    "shufflenet": "nni.nas.hub.pytorch:ShuffleNetSpace",
}
EVALUATORS = {"accelerate": "alphanet_plugin.nni_bridge:AccelerateEvaluator"}
_SUPERNET = "alphanet_plugin.nni_bridge:SupernetStrategy"
STRATEGIES = {
    **dict.fromkeys(list_recipes(), _SUPERNET),
    "alphanet": "alphanet_plugin.nni_bridge:AlphaNetStrategy",
    "kl": "alphanet_plugin.nni_bridge:KLStrategy",
    "supernet": _SUPERNET,
    "random": "nni.nas.strategy:Random",
    "grid_search": "nni.nas.strategy:GridSearch",
    "regularized_evolution": "nni.nas.strategy:RegularizedEvolution",
    "tpe": "nni.nas.strategy:TPE",
    "policy_based_rl": "nni.nas.strategy:PolicyBasedRL",
}


def run_file(path: str | Path, *, port: int = 8080) -> NasExperiment | None:
    """Run the experiment that a YAML file describes; returns it, or None on ranks other than the first.

    Raises:
        ConfigError: A section, key or name is wrong; the message names it and what is allowed.
    """
    sections = read_sections(Path(path))
    experiment_id = sections["experiment"].pop("experimentId", None) or _new_id()
    config = build_config(sections["experiment"])
    folder = Path(config.canonical_copy().experiment_working_directory) / experiment_id  # type: ignore[arg-type]
    parts = build_parts(sections)  # a mistake shows before anything is written
    if folder.exists():
        raise ConfigError(
            f"there is an experiment {experiment_id} in {folder.parent}; `alphanet nni resume {experiment_id}`"
        )
    folder.mkdir(parents=True)
    shutil.copy(path, folder / _FILE)
    return run_experiment(*parts, port=port, config=config, experiment_id=experiment_id)


def resume(experiment_id: str, *, port: int = 8080) -> NasExperiment | None:
    """Go on with an experiment that `run_file` began.

    Raises:
        ConfigError: NNI knows no such experiment, or it was not begun from a file.
    """
    known = Experiments().get_all_experiments()
    if experiment_id not in known:
        hint = did_you_mean(experiment_id, known, "nnictl experiment list --all shows those it knows")
        raise ConfigError(f"NNI knows no experiment {brief(experiment_id)}; {hint}")
    file = Path(known[experiment_id]["logDir"]).expanduser() / experiment_id / _FILE
    if not file.is_file():
        raise ConfigError(f"experiment {experiment_id} was not begun by `alphanet nni run`: there is no {file}")
    sections = read_sections(file)
    sections["experiment"].pop("experimentId", None)
    config = build_config(sections["experiment"])
    return run_experiment(*build_parts(sections), port=port, config=config, experiment_id=experiment_id, resume=True)


def read_sections(path: Path) -> dict[str, dict[str, Any]]:
    """The four sections of a file; ``experiment`` may be left out."""
    content = read_mapping(path)
    for name in content:
        _check_known(name, _SECTIONS, f"{path}: section")
    sections = {name: content.get(name) or {} for name in _SECTIONS}
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: section {name} must hold keys and values, not {brief(section)}")
        if not section and name != "experiment":
            raise ConfigError(f"{path} has no section {name!r}")
    return {name: dict(section) for name, section in sections.items()}


def build_config(section: Mapping[str, Any]) -> NasExperimentConfig:
    """NNI's configuration from its own keys (``experimentName``, ``maxTrialNumber``, ``trialConcurrency`` ...).

    Models run in this process with the weights that they share unless ``executionEngine`` and ``modelFormat`` say
    otherwise.
    """
    values = {_snake(key): value for key, value in section.items()}
    parts = [values.pop(key, default) for key, default in
             (("execution_engine", "sequential"), ("model_format", "raw"), ("training_service", None))]  # fmt: skip
    config = cast(NasExperimentConfig, NasExperimentConfig(*parts))
    fields = [name for name in vars(config) if not name.startswith("_")]
    for key, value in values.items():
        _check_known(key, fields, "experiment:")
        setattr(config, key, value)
    return config


def build_parts(sections: Mapping[str, Mapping[str, Any]]) -> tuple[Any, Any, Any]:
    """Model space, evaluator and strategy."""
    name = sections["space"].get("name")
    own = {"space": name} if name in list_spaces() else {}
    space = _build("space", {**own, **sections["space"]}, SPACES)
    evaluator = _build("evaluator", {"name": "accelerate", **sections["evaluator"]}, EVALUATORS)
    method = sections["strategy"].get("name")
    own = {"recipe": method} if method in list_recipes() and STRATEGIES[method] == _SUPERNET else {}
    strategy = _build("strategy", {**own, **sections["strategy"]}, STRATEGIES)
    evaluator.run_config(**(strategy.sections() if hasattr(strategy, "sections") else {}))  # the two fit together
    return space, evaluator, strategy


def _build(section: str, values: Mapping[str, Any], registry: Mapping[str, str]) -> Any:
    arguments = dict(values)
    name = arguments.pop("name", None)
    if name is None:
        raise ConfigError(f"{section}.name is missing; known are {', '.join(registry)}")
    _check_known(name, registry, f"{section}.name:")
    module, _, attribute = registry[name].partition(":")
    kind = getattr(import_module(module), attribute)
    allowed = [*_arguments(kind), *_kd_keys(kind, arguments)]
    for key in arguments:
        _check_known(key, allowed, f"{section} {name}:")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{section} {name}: {error}") from error


def _arguments(kind: Callable[..., Any]) -> list[str]:
    """Names that a class takes, through **options of its bases."""
    names: list[str] = []
    for base in inspect.getmro(cast(type, getattr(kind, "__wrapped__", kind))):  # nni.trace wraps a class
        initialise = getattr(base, "_init_wrapped", None) or base.__dict__.get("__init__")
        if initialise is None:
            continue
        parameters = inspect.signature(initialise).parameters.values()
        names += [
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"
        ]
        if parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(names))


def _kd_keys(kind: Any, arguments: Mapping[str, Any]) -> Iterable[str]:
    """Of our strategies, the keys of the kd section that they would have, which may be given one by one."""
    if not hasattr(kind, "kd_section"):
        return
    given = {"recipe": arguments.get("recipe"), "kd": kind.kd_section(arguments.get("kd"))}
    name = with_recipe(given).get("kd", {}).get("name", RunConfig(output="").kd.name)
    for section in get_args(KDConfig):
        keys = {field.name: field.default for field in fields(section)}
        if keys["name"] == name:
            yield from (key for key in keys if key != "name")


def _check_known(name: Any, known: Iterable[str], where: str) -> None:
    known = list(known)
    if name not in known:
        raise ConfigError(f"{where} {brief(name)} is not known; {did_you_mean(name, known)}")


def _snake(key: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", str(key)).lower()


def _new_id() -> str:
    return Experiment(None).id  # NNI's own way of drawing one
