"""Names and YAML become built objects, here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import Subset

from .config import AdaptiveAlphaConfig, RunConfig, differences, read_config, to_dict, to_yaml
from .data import LabelledImages, Splits, build_splits, cached_batches, eval_loader, train_loader
from .errors import CheckpointError, ConfigError
from .evaluation import Metrics, SubnetEvaluator, evaluate
from .losses import AdaptiveAlphaDivergence, KDLoss, KLDivergence, LabelSmoothingCrossEntropy
from .samplers import Sampler, SandwichSampler
from .schedules import WarmupCosine
from .search import Evaluated, EvolutionSearch, SearchHistory, pareto_front, pick_spread
from .spaces import Arch, SearchSpace, get_space
from .supernet import Supernet, build_supernet
from .training import (
    Checkpoints,
    JsonLinesLog,
    SupernetUpdate,
    Trainer,
    build_sgd,
    latest_checkpoint,
    read_state,
    read_weights,
)  # fmt: skip
from .weights import Publication, publish


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie.

    Attributes:
        path: The run's folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def history(self) -> Path:
        return self.path / "search.jsonl"

    @property
    def picture(self) -> Path:
        return self.path / "pareto.png"


# -- from a configuration ---------------------------------------------------------------------------------------------


def build_space(config: RunConfig) -> SearchSpace:
    """The search space."""
    return get_space(config.space.name, resolutions=config.space.resolutions)


def build_data(config: RunConfig, image_size: int | None = None) -> Splits:
    """The images, at the configured side or another."""
    options = {key: value for key, value in asdict(config.data).items() if key != "workers"}
    return build_splits(options.pop("name"), **{**options, "image_size": image_size or config.data.image_size})


def build_model(config: RunConfig, num_classes: int) -> Supernet:
    """The supernet, resizing images to each arch's resolution inside the network, in the fast memory format."""
    supernet = build_supernet(
        cast(Any, build_space(config)),
        num_classes=num_classes,
        resize_input=True,
        drop_rate=config.training.drop_rate,
        drop_path_rate=config.training.drop_path_rate,
    )
    return supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_kd_loss(config: RunConfig) -> KDLoss:
    """The distillation loss."""
    options = {key: value for key, value in asdict(config.kd).items() if key != "name"}
    return AdaptiveAlphaDivergence(**options) if isinstance(config.kd, AdaptiveAlphaConfig) else KLDivergence(**options)


def build_sampler(config: RunConfig) -> Sampler:
    """Which archs a step trains."""
    return SandwichSampler(build_space(config), num_random=config.sampler.num_random, seed=config.seed)


def build_accelerator(config: RunConfig) -> Accelerator:
    """Accelerate's, ready for supernets under several ranks."""
    # A step's last subnet leaves weights unused that earlier ones used; BatchNorm keeps no statistics to broadcast.
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    try:
        return Accelerator(
            mixed_precision=config.training.mixed_precision,
            log_with=config.training.tracker,
            project_dir=config.output,
            kwargs_handlers=[ddp],
        )
    except ValueError as error:
        raise ConfigError(f"training.tracker or training.mixed_precision: {error}") from error


def build_trainer(
    config: RunConfig,
    accelerator: Accelerator,
    splits: Splits,
    on_step: Callable[[dict[str, Any]], None] | None = None,
) -> Trainer:
    """Everything that training needs, prepared; a run that was begun in the folder is resumed by `Trainer.run`.

    Raises:
        ConfigError: The folder holds a run with another configuration.
    """
    training = config.training
    folder = RunFolder(Path(config.output))
    _check_same_run(config, folder)
    world = accelerator.num_processes
    steps_per_epoch = max(1, len(splits.train) // (training.batch_size * world))
    total_steps = training.epochs * steps_per_epoch

    set_seed(config.seed)
    supernet = build_model(config, splits.num_classes)
    optimizer = build_sgd(supernet, lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay)
    model, optimizer = accelerator.prepare(supernet, optimizer)
    set_seed(config.seed, device_specific=True)

    def batches(start_step: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        return train_loader(
            splits.train,
            batch_size=training.batch_size,
            steps=total_steps,
            seed=config.seed,
            start_step=start_step,
            rank=accelerator.process_index,
            world_size=world,
            num_workers=config.data.workers,
        )

    return Trainer(
        accelerator=accelerator,
        update=SupernetUpdate(
            accelerator=accelerator,
            model=model,
            optimizer=optimizer,
            label_loss=LabelSmoothingCrossEntropy(training.label_smoothing),
            kd_loss=build_kd_loss(config),
            clip_value=training.clip_value,
        ),
        sampler=build_sampler(config),
        schedule=WarmupCosine(
            base_lr=training.lr * max(1, training.batch_size * world // 256),
            total_steps=total_steps,
            warmup_steps=training.warmup_epochs * steps_per_epoch,
        ),
        batches=batches,
        total_steps=total_steps,
        checkpoints=Checkpoints(
            accelerator, folder.checkpoints, keep=training.keep_checkpoints, identity=_identity(config)
        ),
        save_every=training.save_every,
        log=JsonLinesLog(folder.log),
        on_step=on_step,
    )


def _identity(config: RunConfig) -> dict[str, Any]:
    """What must not change between the beginning of a run and its resumption: all that its weights depend on."""
    values = to_dict(config)
    for key in ("output", "evaluation", "search", "publish"):
        del values[key]
    for key in ("save_every", "keep_checkpoints", "tracker"):
        del values["training"][key]
    for key in ("root", "workers"):
        del values["data"][key]
    return values


def _check_same_run(config: RunConfig, folder: RunFolder) -> None:
    latest = latest_checkpoint(folder.checkpoints)
    changed = differences(read_state(latest)["identity"], _identity(config)) if latest else []
    if changed:
        raise ConfigError(
            f"{folder.path} holds a run with other values of {', '.join(changed)}; "
            f"choose another output, put the values back, or delete {folder.checkpoints} to start anew"
        )


# -- from a trained run -----------------------------------------------------------------------------------------------


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
    folder = RunFolder(Path(path))
    latest = latest_checkpoint(folder.checkpoints)
    if not folder.config.is_file() or latest is None:
        raise CheckpointError(f"{folder.path} holds no trained run; `alphanet train --config ...` makes one")
    config = replace(read_config(RunConfig, folder.config, overrides), output=str(folder.path))
    _check_same_run(config, folder)
    splits = build_data(config)
    supernet = build_model(config, splits.num_classes)
    supernet.load_state_dict(read_weights(latest))
    return TrainedRun(folder, config, latest, supernet.to(device), splits)


def write_run_config(config: RunConfig) -> None:
    """Keep the configuration beside what it makes."""
    folder = RunFolder(Path(config.output))
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(to_yaml(config), encoding="utf-8")


def build_evaluator(run: TrainedRun) -> SubnetEvaluator:
    """What the search evaluates subnets with: BatchNorm from training images, accuracy on the search images."""
    settings = run.config.evaluation
    return SubnetEvaluator(
        run.supernet,
        _batches(run, run.splits.calibration, settings.search_calibration_batches),
        _batches(run, run.splits.search, None),
    )


def build_search(
    run: TrainedRun, on_evaluated: Callable[..., None] | None = None, initial: Sequence[Arch] = ()
) -> EvolutionSearch:
    """The evolutionary search over a trained run; it goes on from the run's history."""
    options = asdict(run.config.search)
    if options["min_mflops"] is None:
        options["min_mflops"] = run.mflops(run.space.smallest())
    if options["max_mflops"] is None:
        options["max_mflops"] = run.mflops(run.space.largest())
    evaluator = build_evaluator(run)
    return EvolutionSearch(
        run.space,
        lambda arch: asdict(evaluator(arch)),
        num_classes=run.splits.num_classes,
        seed=run.config.seed,
        history=SearchHistory(run.folder.history, _search_fingerprint(run)),
        initial=initial,
        on_evaluated=on_evaluated,
        **options,
    )


def search_results(run: TrainedRun) -> list[Evaluated]:
    """What a search of this run has evaluated so far; nothing if there was none.

    Raises:
        SearchError: The history belongs to other weights or settings.
    """
    if not run.folder.history.is_file():
        return []
    with SearchHistory(run.folder.history, _search_fingerprint(run)) as history:
        return [entry.evaluated for entry in history]


def _search_fingerprint(run: TrainedRun) -> dict[str, Any]:
    settings = run.config.evaluation
    return {
        "space": run.space.to_config(),
        "num_classes": run.splits.num_classes,
        "checkpoint": run.checkpoint.name,
        "training": _identity(run.config),
        "calibration_batches": settings.search_calibration_batches,
        "batch_size": settings.batch_size,
    }


def to_publish(run: TrainedRun) -> dict[str, Arch]:
    """Name of `timm.create_model` -> arch, for the configured presets and a spread of the search's Pareto front.

    Raises:
        ConfigError: A preset is not the space's.
    """
    settings, presets = run.config.publish, run.space.presets
    for name in settings.presets:
        if name not in presets:
            raise ConfigError(f"publish.presets: {name!r} is none of {', '.join(presets)}")
    chosen = {f"alphanet_{name}.{settings.tag}": presets[name] for name in settings.presets}
    front = pareto_front(search_results(run))
    for subnet in pick_spread(front, settings.front) if front and settings.front else []:
        if subnet.arch not in chosen.values():
            size = f"{subnet.mflops:.1f}".replace(".", "p")
            chosen[f"alphanet_subnet.{settings.tag}_{size}m"] = subnet.arch
    return dict(sorted(chosen.items(), key=lambda item: run.mflops(item[1])))


def measure_for_publishing(run: TrainedRun, arch: Arch) -> tuple[nn.Module, Metrics, Splits]:
    """A subnet as it will be deployed: fed at its resolution, recalibrated so, and measured so on the test images."""
    splits = build_data(run.config, image_size=cast(int, arch["resolution"]))
    settings = run.config.evaluation
    evaluator = SubnetEvaluator(
        _Deployed(run.supernet),
        _batches(run, splits.calibration, settings.calibration_batches),
        _batches(run, splits.test, None),
    )
    subnet = evaluator.subnet(arch)
    return subnet, evaluate(subnet, evaluator.evaluation_batches), splits


def publish_subnet(run: TrainedRun, name: str, arch: Arch) -> Publication:
    """Recalibrate, measure on the test images, and publish to the local store as ``ARCHITECTURE.TAG``."""
    architecture, _, tag = name.partition(".")
    subnet, metrics, splits = measure_for_publishing(run, arch)
    publication = Publication(
        architecture=architecture,
        tag=tag,
        arch=arch,
        data_config=splits.data_config,
        class_names=splits.class_names,
        metrics=asdict(metrics),
        mflops=run.mflops(arch),
        params=sum(parameter.numel() for parameter in subnet.parameters()),
        dataset=splits.name,
        recipe=_identity(run.config),
    )
    publish(subnet, publication)
    return publication


class _Deployed:
    """A supernet whose subnets take images as they come, already at the arch's resolution."""

    def __init__(self, supernet: Supernet):
        self.supernet = supernet

    def extract(self, arch: Arch) -> nn.Module:
        subnet = self.supernet.extract(arch)
        subnet.resize_input = False  # type: ignore[assignment]
        return subnet


def _batches(run: TrainedRun, images: LabelledImages, limit: int | None) -> Iterable[Any]:
    """`limit` batches (all if None), kept in memory where they fit."""
    settings = run.config.evaluation
    count = len(images) if limit is None else min(len(images), limit * settings.batch_size)
    size = images[0][0].numel() * 4
    batch_size = min(settings.batch_size, count)
    if count * size <= settings.cache_gb * 1e9:
        return cached_batches(images, batch_size, count, seed=run.config.seed, num_workers=run.config.data.workers)
    part = Subset(cast(Any, images), range(count))
    return eval_loader(part, batch_size=batch_size, seed=run.config.seed, num_workers=run.config.data.workers)
