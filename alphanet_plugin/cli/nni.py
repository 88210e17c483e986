"""NNI experiments from a YAML file

alphanet nni run configs/nni/alphanet_digits.yaml    train a supernet in an NNI experiment and rank its subnets
alphanet nni run configs/nni/search_subnets.yaml     as nnictl create, on a machine that is busy too
alphanet nni resume ID                               go on with one that was stopped or killed"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .process import start_cpu_ranks
from .progress import progress_bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="nni_verb", required=True, metavar="VERB")
    begin = verbs.add_parser("run", help="run the experiment that a YAML file describes")
    begin.add_argument("file", help="such as configs/nni/alphanet_digits.yaml")
    again = verbs.add_parser("resume", help="go on with an experiment that was stopped or killed")
    again.add_argument("experiment_id", metavar="ID", help="as `alphanet nni run` printed it")
    for child in (begin, again):
        child.add_argument("--port", type=int, default=8080, help="of NNI's portal, where there is one (default: 8080)")
        child.add_argument("--top", type=int, default=5, help="how many models to print (default: 5)")


def run(arguments: argparse.Namespace) -> None:
    start_cpu_ranks()
    logging.getLogger("nni").propagate = False  # it prints by itself
    if arguments.nni_verb == "run" and _run_with_tuner(arguments):
        return
    try:
        from ..nni_bridge.nas.experiment import resume, run_file
    except ImportError as error:
        raise ConfigError(str(error)) from error
    from ..shipped import shipped_config

    if arguments.nni_verb == "run":
        experiment = run_file(shipped_config(arguments.file), port=arguments.port)
    else:
        experiment = resume(arguments.experiment_id, port=arguments.port)
    if experiment is not None:
        _print_top(experiment, arguments.top)
        experiment.stop()


def _run_with_tuner(arguments: argparse.Namespace) -> bool:
    """Run a file with trials of its own, if it is one."""
    from ..config import read_mapping
    from ..nni_bridge.hpo.tuner_experiment import is_tuner_file, run_tuner_file
    from ..shipped import shipped_config

    path, port = Path(shipped_config(arguments.file)), arguments.port
    if not is_tuner_file(read_mapping(path)):
        return False

    def show(experiment: str) -> None:
        print(f"experiment {experiment}: http://localhost:{port} while it runs", flush=True)

    with progress_bar("trials") as advance:
        experiment = run_tuner_file(path, port=port, on_start=show, on_trials=advance)
    print(f"experiment {experiment} has ended; look at it again: nnictl view {experiment} --port {port}")
    return True


def _print_top(experiment: Any, count: int) -> None:
    print(f"experiment {experiment.id} has ended; its best models, by the evaluator's metric:")
    for model in experiment.export_top_models(count):
        metric = model.metric
        figure = metric["default"] if isinstance(metric, dict) else metric
        print(f"  {'' if figure is None else format(figure, '6.2f')}  {_describe(experiment, model.sample)}")


def _describe(experiment: Any, sample: dict[str, Any]) -> str:
    from ..nni_bridge import ElasticSpace
    from ..nni_bridge.nas.samples import arch_of

    space = experiment.model_space
    if isinstance(space, ElasticSpace):
        arch = arch_of(space.space, sample)
        return f"{space.space.mflops(arch, space.num_classes):8.2f} MFLOPs  {arch}"
    return " ".join(f"{label}={value}" for label, value in sample.items())
