"""What a search of a trained run goes by, read without its images and without building its network."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..config import RunConfig, read_config
from ..errors import CheckpointError, ConfigError, brief
from ..nearest import did_you_mean, path_hint
from ..search import Evaluated, EvolutionRounds, check_evaluated
from ..spaces import SearchSpace
from ..training import latest_checkpoint, read_weights
from .building import build_space
from .identity import check_same_supernet, complete_supernet_identity, trained_identity
from .run_folder import RunFolder
from .search_cost import build_cost

_CLASSIFIER = "classifier.bias"  # one number a class; every network here has it under timm's name


@dataclass(frozen=True)
class SearchPlan:
    """A search of a run, for whoever hands out subnets to evaluate elsewhere.

    Attributes:
        folder: The run's.
        rounds: Which subnets each round evaluates.
        fingerprint: All that decides a subnet's metrics; the history's.
        check: Told of every subnet that the history holds; see `SearchHistory`. None to believe it.
    """

    folder: RunFolder
    rounds: EvolutionRounds
    fingerprint: dict[str, Any]
    check: Callable[[Evaluated], None] | None = None


def read_search_plan(
    path: str | Path, changes: Mapping[str, Any], *, seed: int | None = None, presets: Sequence[str] = ()
) -> SearchPlan:
    """The plan of a search over a trained run.

    Args:
        path: The run's folder.
        changes: Keys of the configuration's search section with other values than the run's.
        seed: Of the evolution; the run's if None.
        presets: Names of presets to evaluate first.

    Raises:
        CheckpointError: There is no run, or it has no checkpoint yet.
        ConfigError: A preset is not the space's, the cost is latency, or the evaluation is staged.
    """
    folder, config, checkpoint = open_checkpoint(path)
    space = build_space(config)
    for name in presets:
        if name not in space.presets:
            raise ConfigError(f"presets: {brief(name)} is no preset of the space; {did_you_mean(name, space.presets)}")
    num_classes = len(read_weights(checkpoint)[_CLASSIFIER])
    config = replace(config, search=replace(config.search, **changes))
    ours = f"alphanet search {shlex.quote(str(folder.path))}"
    if config.search.needs_latency:
        raise ConfigError(
            "cost, max_latency_ms: latency is that of one machine, and trials may run on many; take mflops or params "
            "here, "
            f"or `{ours} --latency {config.search.latency_device}`"
        )
    if config.search.stages:
        stages = shlex.quote(f"search.stages={list(config.search.stages)}")
        raise ConfigError(
            f"stages: trials evaluate their subnet in full; give stages: [] here, or `{ours} --set {stages}`"
        )
    options = search_options(config, space, num_classes)
    cost = build_cost(config, folder, space, num_classes)
    if seed is not None:
        options["seed"] = seed
    initial = tuple(space.presets[name] for name in presets)
    rounds = EvolutionRounds(space, initial=initial, cost=cost.of, limits=cost.limits, **options)
    return SearchPlan(
        folder,
        rounds,
        fingerprint(config, checkpoint, space, num_classes),
        partial(check_evaluated, space=space, num_classes=num_classes),
    )


def open_checkpoint(path: str | Path, overrides: Sequence[str] = ()) -> tuple[RunFolder, RunConfig, Path]:
    """A trained run's folder, its configuration with overrides, and its newest checkpoint.

    Raises:
        CheckpointError: There is no run, or it has no checkpoint yet.
        ConfigError: An override changes what the weights depend on.
    """
    folder = RunFolder(Path(path))
    latest = latest_checkpoint(folder.checkpoints)
    if not folder.config.is_file() or latest is None:
        raise CheckpointError(
            f"{folder.path} holds no trained run{path_hint(path)}; `alphanet train --config FILE` makes one"
        )
    config = replace(read_config(RunConfig, folder.config, overrides), output=str(folder.path))
    check_same_supernet(config, folder)
    return folder, config, latest


def search_options(config: RunConfig, space: SearchSpace, num_classes: int) -> dict[str, Any]:
    """Arguments of `EvolutionRounds` but the cost; where the configuration names no bounds, those of the space."""
    built = ("cost", "latency_device", "latency_batch", "stages", "min_params", "max_params", "min_latency_ms",
             "max_latency_ms")  # fmt: skip
    options = {key: value for key, value in asdict(config.search).items() if key not in built}
    for name, arch in (("min_mflops", space.smallest()), ("max_mflops", space.largest())):
        if options[name] is None:
            options[name] = space.mflops(arch, num_classes)
    return {**options, "num_classes": num_classes, "seed": config.seed}


def fingerprint(config: RunConfig, checkpoint: Path, space: SearchSpace, num_classes: int) -> dict[str, Any]:
    """All that decides a subnet's metrics."""
    settings = config.evaluation
    return {
        "space": space.to_config(),
        "num_classes": num_classes,
        "checkpoint": checkpoint.name,
        "training": trained_identity(config, checkpoint),
        "calibration_batches": settings.search_calibration_batches,
        "batch_size": settings.batch_size,
    }


def complete_fingerprint(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A kept `fingerprint` as today's; see `complete_supernet_identity`."""
    training = kept.get("training")
    return {**kept, "training": complete_supernet_identity(training)} if isinstance(training, Mapping) else dict(kept)
