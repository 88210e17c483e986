"""A trained run, opened for searching and publishing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import RunConfig
from ..data import LabelledImages, Splits, cached_gb, repeatable_batches
from ..errors import ConfigError
from ..evaluation import Metrics, QuickEvaluator, SubnetEvaluator, evaluate
from ..models import read_arch
from ..models.read_arch import GivenArch
from ..search import Evaluated, EvolutionSearch, SearchHistory, Stage, check_evaluated
from ..spaces import Arch, SearchSpace
from ..supernet import Supernet
from ..training import read_state, read_weights
from .building import build_data, build_model
from .ranks import Ranks
from .run_folder import RunFolder
from .run_images import accepted_changes
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

    def subnet(self, arch: GivenArch) -> nn.Module:
        """The static timm model of an arch, also in its printed form: BatchNorm estimated anew, in eval mode."""
        chosen = self.space.validate(read_arch(arch, self.space))
        return Deployment(self, int(chosen.resolution)).evaluator.subnet(chosen)


def open_run(path: str | Path, overrides: Sequence[str] = (), device: str | torch.device = "cpu") -> TrainedRun:
    """Open a trained run.

    Args:
        path: The run's folder.
        overrides: ``key=value`` of its evaluation, search or publish sections.
        device: Where subnets will be evaluated.

    Raises:
        CheckpointError: There is no run, or it has no checkpoint yet.
        ConfigError: An override changes what the weights depend on, or the images have other classes.
    """
    folder, config, latest = open_checkpoint(path, overrides)
    splits = build_data(config)
    weights = read_weights(latest)
    check_classes(folder, config, splits, weights)
    supernet = build_model(config, splits.num_classes)
    supernet.load_state_dict(weights)
    return TrainedRun(folder, config, latest, supernet.to(device), splits)


def check_classes(folder: RunFolder, config: RunConfig, splits: Splits, weights: Mapping[str, torch.Tensor]) -> None:
    """ConfigError if the images have another number of classes than the run was trained on."""
    trained = len(weights["classifier.bias"])
    if trained != splits.num_classes:
        where = f"data.root {config.data.root}" if config.data.root else f"data.name {config.data.name}"
        raise ConfigError(
            f"{where} has {splits.num_classes} classes, and {folder.path} was trained on {trained}; give the data set "
            "that it was trained on"
        )


def build_evaluator(run: TrainedRun) -> SubnetEvaluator:
    """What the search evaluates subnets with: BatchNorm from training images, accuracy on the search images."""
    return SubnetEvaluator(run.supernet, *search_batches(run.config, run.splits))


def search_batches(config: RunConfig, splits: Splits) -> tuple[Iterable[Any], Iterable[Any]]:
    """Training images for BatchNorm during a search, and the search images."""
    if not len(splits.search):
        raise ConfigError(
            "data.search_count: 0 leaves no images to search with; hold some out and train anew in another output"
        )
    return _batches(config, splits.calibration, config.evaluation.search_calibration_batches, splits.search)


def build_search(
    run: TrainedRun,
    on_evaluated: Callable[..., None] | None = None,
    initial: Sequence[Arch] = (),
    cost: SearchCost | None = None,
    *,
    presets: bool = False,
    ranks: Ranks | None = None,
) -> EvolutionSearch:
    """The evolutionary search over a trained run; it goes on from the run's history.

    Args:
        run: The run.
        on_evaluated: See `EvolutionSearch`.
        initial: Subnets to evaluate first.
        cost: What its Pareto fronts are taken by; `cost_of_run` by default.
        presets: Whether to evaluate the space's presets first, those that lie within the bounds.
        ranks: Who evaluates beside this process, by `help_search`.
    """
    cost, ranks = cost or cost_of_run(run), ranks or Ranks()
    options = search_options(run.config, run.space, run.splits.num_classes)
    *stages, full = search_stages(run)
    ranks.offer([stage.evaluate for stage in (*stages, full)], about_run(run))
    if presets:
        initial = [*initial, *(arch for arch in run.space.presets.values() if within_bounds(run, cost, arch))]
    return EvolutionSearch(
        run.space,
        full.evaluate,
        history=open_history(run),
        initial=initial,
        on_evaluated=on_evaluated,
        stages=stages,
        spread=ranks.spread,
        cost=cost.of,
        limits=cost.limits,
        **options,
    )


def help_search(run: TrainedRun, ranks: Ranks) -> None:
    """Evaluate what the first process of `ranks` hands out, until it ends; for each of the others."""
    ranks.serve([stage.evaluate for stage in search_stages(run)], about_run(run))


def search_stages(run: TrainedRun) -> list[Stage]:
    """The evaluations of a search of this run, the full one last."""
    full = build_evaluator(run)
    rough = [Stage(share, QuickEvaluator(full, share)) for share in run.config.search.stages]
    return [*rough, Stage(1.0, full)]


def about_run(run: TrainedRun) -> dict[str, Any]:
    """What any figure of this run's subnets depends on, for processes that share them out."""
    images = run.splits.record.digest if run.splits.record else ""
    weights = read_state(run.checkpoint).get("files")
    return {
        **search_fingerprint(run),
        "images": images,
        "weights": weights,
        "evaluation": asdict(run.config.evaluation),
    }


def cost_of_run(run: TrainedRun, *, measuring: bool = True) -> SearchCost:
    """The cost that the run's search section names; see `build_cost`."""
    return build_cost(run.config, run.folder, run.space, run.splits.num_classes, measuring=measuring)


def within_bounds(run: TrainedRun, cost: SearchCost, arch: Arch) -> bool:
    """Whether an arch lies within the bounds of the run's search section; limits are those of `cost`."""
    options = search_options(run.config, run.space, run.splits.num_classes)
    inside = options["min_mflops"] <= run.mflops(arch) <= options["max_mflops"]
    return inside and not any(limit.side(arch) for limit in cost.limits)


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
    check = partial(check_evaluated, space=run.space, num_classes=run.splits.num_classes)
    return SearchHistory(run.folder.history, search_fingerprint(run), complete_fingerprint, check)


def search_fingerprint(run: TrainedRun) -> dict[str, Any]:
    """All that decides a subnet's metrics in a search of this run."""
    images = accepted_changes(run.config.data, run.splits)
    return fingerprint(run.config, run.checkpoint, run.space, run.splits.num_classes) | images


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
        self.evaluator = SubnetEvaluator(Deployed(run.supernet), *batches)

    def measure(self, arch: Arch) -> tuple[nn.Module, Metrics]:
        """The recalibrated subnet, and its figures on the test images."""
        subnet = self.evaluator.subnet(arch)
        return subnet, evaluate(subnet, self.evaluator.evaluation_batches)


class Deployed:
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
