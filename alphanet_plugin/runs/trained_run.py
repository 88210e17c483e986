"""A trained run, opened for searching and publishing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import RunConfig
from ..data import LabelledImages, Splits, cached_gb, repeatable_batches
from ..errors import ConfigError
from ..evaluation import Metrics, QuickEvaluator, SubnetEvaluator, evaluate
from ..models import entry_name
from ..search import Evaluated, EvolutionSearch, SearchHistory, Stage, mflops_cost, pareto_front, pick_spread
from ..spaces import Arch, SearchSpace
from ..supernet import Supernet
from ..training import read_weights
from ..weights import Publication, publish
from .building import build_data, build_model
from .identity import supernet_identity
from .run_folder import RunFolder
from .search_cost import SearchCost, build_cost
from .search_plan import complete_fingerprint, fingerprint, open_checkpoint, search_options


@dataclass(frozen=True)
class TrainedRun:
    """A run whose supernet is trained, opened for searching and publishing.

    Attributes:
        folder: Where its parts lie.
        config: As it was trained.
        checkpoint: Whose weights these are.
        supernet: With those weights.
        splits: The images at the side that the supernet was trained on.
    """

    folder: RunFolder
    config: RunConfig
    checkpoint: Path
    supernet: Supernet
    splits: Splits

    @property
    def space(self) -> SearchSpace:
        return self.supernet.space

    def mflops(self, arch: Arch) -> float:
        """Multiply-adds / 1e6 with this data set's classifier."""
        return self.space.mflops(arch, num_classes=self.splits.num_classes)

    def params(self, arch: Arch) -> int:
        """Parameters of the static model with this data set's classifier."""
        return self.space.params(arch, num_classes=self.splits.num_classes, idle_shortcuts=False)


def open_run(path: str | Path, overrides: Sequence[str] = (), device: str | torch.device = "cpu") -> TrainedRun:
    """Open a trained run.

    Args:
        path: The run's folder.
        overrides: ``key=value`` of its evaluation, search or publish sections.
        device: Where subnets will be evaluated.

    Raises:
        CheckpointError: There is no run, or it has no checkpoint yet.
        ConfigError: An override changes what the weights depend on.
    """
    folder, config, latest = open_checkpoint(path, overrides)
    splits = build_data(config)
    supernet = build_model(config, splits.num_classes)
    supernet.load_state_dict(read_weights(latest))
    return TrainedRun(folder, config, latest, supernet.to(device), splits)


def build_evaluator(run: TrainedRun) -> SubnetEvaluator:
    """What the search evaluates subnets with: BatchNorm from training images, accuracy on the search images."""
    return SubnetEvaluator(run.supernet, *search_batches(run.config, run.splits))


def search_batches(config: RunConfig, splits: Splits) -> tuple[Iterable[Any], Iterable[Any]]:
    """Training images for BatchNorm during a search, and the search images."""
    if not len(splits.search):
        raise ConfigError("data.search_count: 0 leaves no images to search with; hold some out and train anew")
    return _batches(config, splits.calibration, config.evaluation.search_calibration_batches, splits.search)


def build_search(
    run: TrainedRun,
    on_evaluated: Callable[..., None] | None = None,
    initial: Sequence[Arch] = (),
    cost: SearchCost | None = None,
) -> EvolutionSearch:
    """The evolutionary search over a trained run; it goes on from the run's history.

    Args:
        run: The run.
        on_evaluated: See `EvolutionSearch`.
        initial: Subnets to evaluate first.
        cost: What its Pareto fronts are taken by; `cost_of_run` by default.
    """
    cost = cost or cost_of_run(run)
    options = search_options(run.config, run.space, run.splits.num_classes)
    evaluator = build_evaluator(run)
    return EvolutionSearch(
        run.space,
        lambda arch: asdict(evaluator(arch)),
        history=open_history(run),
        initial=initial,
        on_evaluated=on_evaluated,
        stages=[Stage(share, QuickEvaluator(evaluator, share)) for share in run.config.search.stages],
        cost=cost.of,
        **options,
    )


def cost_of_run(run: TrainedRun, *, measuring: bool = True) -> SearchCost:
    """The cost that the run's search section names; see `build_cost`."""
    return build_cost(run.config, run.folder, run.space, run.splits.num_classes, measuring=measuring)


def search_results(run: TrainedRun) -> list[Evaluated]:
    """What a search of this run has evaluated so far; nothing if there was none.

    Raises:
        SearchError: The history belongs to other weights or settings.
    """
    if not run.folder.history.is_file():
        return []
    with open_history(run) as history:
        return [entry.evaluated for entry in history]


def open_history(run: TrainedRun) -> SearchHistory:
    """The history of this run's searches; one process at a time."""
    return SearchHistory(run.folder.history, search_fingerprint(run), complete_fingerprint)


def search_fingerprint(run: TrainedRun) -> dict[str, Any]:
    """All that decides a subnet's metrics in a search of this run."""
    return fingerprint(run.config, run.checkpoint, run.space, run.splits.num_classes)


def to_publish(run: TrainedRun) -> dict[str, Arch]:
    """Name of `timm.create_model` -> arch, for the configured presets and a spread of the search's Pareto front.

    Raises:
        ConfigError: A preset is not the space's.
        SearchError: The history or the latency table is not this run's, or the table cannot be filled up here.
    """
    settings, presets = run.config.publish, run.space.presets
    wanted = tuple(presets) if settings.presets is None else settings.presets
    for name in wanted:
        if name not in presets:
            raise ConfigError(f"publish.presets: {name!r} is none of {', '.join(presets)}")
    chosen = {entry_name(run.space, settings.tag, name): presets[name] for name in wanted}
    results = search_results(run) if settings.front else []
    cost = cost_of_run(run, measuring=False).of if results else mflops_cost
    front = pareto_front(results, cost=cost)
    for subnet in pick_spread(front, settings.front, cost=cost) if front else []:
        if subnet.arch not in chosen.values():
            size = f"{subnet.mflops:.1f}".replace(".", "p")
            chosen[f"{entry_name(run.space, settings.tag)}_{size}m"] = subnet.arch
    return dict(sorted(chosen.items(), key=lambda item: run.mflops(item[1])))


class Deployment:
    """Subnets of one resolution as they will be used: fed at that resolution, recalibrated so, and measured so.

    Args:
        run: The run.
        resolution: Side of the images in pixels.
    """

    def __init__(self, run: TrainedRun, resolution: int):
        settings = run.config.evaluation
        self.splits = build_data(run.config, image_size=resolution)
        batches = _batches(run.config, self.splits.calibration, settings.calibration_batches, self.splits.test)
        self.evaluator = SubnetEvaluator(_Deployed(run.supernet), *batches)

    def measure(self, arch: Arch) -> tuple[nn.Module, Metrics]:
        """The recalibrated subnet, and its figures on the test images."""
        subnet = self.evaluator.subnet(arch)
        return subnet, evaluate(subnet, self.evaluator.evaluation_batches)


def publish_run(run: TrainedRun, chosen: Mapping[str, Arch]) -> Iterator[Publication]:
    """Recalibrate, measure on the test images, and publish each of ``ARCHITECTURE.TAG`` -> arch to the local store."""
    deployment = None
    for name, arch in sorted(chosen.items(), key=lambda item: item[1].resolution):
        if deployment is None or deployment.splits.image_size != arch.resolution:
            deployment = Deployment(run, arch.resolution)
        subnet, metrics = deployment.measure(arch)
        architecture, _, tag = name.partition(".")
        publication = Publication(
            architecture=architecture,
            tag=tag,
            arch=arch,
            data_config=deployment.splits.data_config,
            class_names=deployment.splits.class_names,
            metrics=asdict(metrics),
            mflops=run.mflops(arch),
            params=run.params(arch),
            dataset=deployment.splits.name,
            recipe=supernet_identity(run.config, defaults=True),
            protocol=(
                f"timm's, input at {arch.resolution} pixels ({deployment.splits.interpolation}, centre crop "
                f"{deployment.splits.crop_pct:g}); test images, which neither training nor search saw"
            ),
            picture=run.folder.picture,
        )
        publish(subnet, publication)
        yield publication


class _Deployed:
    """A supernet whose subnets take images as they come, already at the arch's resolution."""

    def __init__(self, supernet: Supernet):
        self.supernet = supernet

    def extract(self, arch: Arch) -> nn.Module:
        subnet = self.supernet.extract(arch)
        subnet.resize_input = False  # type: ignore[assignment]
        return subnet


def _batches(
    config: RunConfig, calibration: LabelledImages, limit: int, evaluation: LabelledImages
) -> tuple[Iterable[Any], Iterable[Any]]:
    """`limit` whole batches for BatchNorm, and all images for accuracy; both in memory where together they fit."""
    settings = config.evaluation
    options = {"batch_size": settings.batch_size, "seed": config.seed, "num_workers": config.data.workers}
    first = repeatable_batches(calibration, limit=limit, cache_gb=settings.cache_gb, **options)
    return first, repeatable_batches(evaluation, cache_gb=settings.cache_gb - cached_gb(first), **options)
