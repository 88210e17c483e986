"""A configuration becomes built objects: space, images, supernet, losses, trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import set_seed

from ..config import (
    AdaptiveAlphaConfig,
    AlphaConfig,
    AttentiveConfig,
    KDConfig,
    KLConfig,
    LoopConfig,
    NoKDConfig,
    ReverseKLConfig,
    RunConfig,
    SpaceConfig,
    SymmetricKLConfig,
    UniformConfig,
    differences,
    from_dict,
    to_dict,
)
from ..data import Splits, build_splits, train_loader
from ..errors import ConfigError
from ..losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KDLoss,
    KLDivergence,
    LabelSmoothingCrossEntropy,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)
from ..samplers import AttentiveSampler, Sampler, SandwichSampler, UniformSampler
from ..schedules import WarmupCosine
from ..spaces import SearchSpace
from ..supernet import Supernet, build_supernet
from ..training import (
    Checkpoints,
    JsonLinesLog,
    SupernetUpdate,
    Trainer,
    build_sgd,
    latest_checkpoint,
    read_state,
)
from .run_folder import RunFolder

_KD_LOSSES: dict[type, Callable[..., KDLoss]] = {
    AdaptiveAlphaConfig: AdaptiveAlphaDivergence,
    AlphaConfig: AlphaDivergence,
    KLConfig: KLDivergence,
    ReverseKLConfig: ReverseKLDivergence,
    SymmetricKLConfig: SymmetricKLDivergence,
}


def build_space(config: RunConfig) -> SearchSpace:
    """The search space."""
    return config.space.build()


@lru_cache(maxsize=8)
def build_data(config: RunConfig, image_size: int | None = None) -> Splits:
    """The images, at the configured side or another; the same object when asked again."""
    options = {key: value for key, value in asdict(config.data).items() if key != "workers"}
    return build_splits(options.pop("name"), **{**options, "image_size": image_size or config.data.image_size})


def build_model(config: RunConfig, num_classes: int) -> Supernet:
    """The supernet, resizing images to each arch's resolution inside the network, in the fast memory format."""
    supernet = build_supernet(
        build_space(config),
        num_classes=num_classes,
        resize_input=True,
        drop_rate=config.training.drop_rate,
        drop_path_rate=config.training.drop_path_rate,
    )
    return supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_kd_loss(config: RunConfig) -> KDLoss | None:
    """The distillation loss; None where every subnet learns from the labels.

    Raises:
        ConfigError: A value that the loss refuses.
    """
    return kd_loss_of(config.kd)


def kd_loss_of(kd: KDConfig) -> KDLoss | None:
    """The distillation loss that a kd section names; None for ``none``.

    Raises:
        ConfigError: A value that the loss refuses.
    """
    if isinstance(kd, NoKDConfig):
        return None
    options = {key: value for key, value in asdict(kd).items() if key != "name"}
    try:
        return _KD_LOSSES[type(kd)](**options)
    except ValueError as error:
        raise ConfigError(f"kd.{error}") from error


def build_sampler(config: RunConfig, num_classes: int = 1000) -> Sampler:
    """Which archs a step trains; the classifier's outputs count where archs are drawn by their cost."""
    space, sampler = build_space(config), config.sampler
    if isinstance(sampler, UniformConfig):
        return UniformSampler(space, num_archs=sampler.num_archs, seed=config.seed)
    if isinstance(sampler, AttentiveConfig):
        options = {key: value for key, value in asdict(sampler).items() if key not in ("name", "rank_by")}
        return AttentiveSampler(space, **options, num_classes=num_classes, seed=config.seed)
    return SandwichSampler(space, num_random=sampler.num_random, seed=config.seed)


def build_accelerator(config: RunConfig) -> Accelerator:
    """Accelerate's, ready for supernets under several ranks."""
    # A step's last subnet leaves weights unused that earlier ones used; BatchNorm keeps no statistics to broadcast.
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    return open_accelerator(config.training, config.output, ddp)


def open_accelerator(
    training: LoopConfig, output: str, ddp: DistributedDataParallelKwargs | None = None
) -> Accelerator:
    """Accelerate's, with a run's precision and tracker.

    Raises:
        ConfigError: Accelerate refuses one of the two.
    """
    try:
        return Accelerator(
            mixed_precision=training.mixed_precision,
            log_with=training.tracker,
            project_dir=output,
            kwargs_handlers=[ddp] if ddp else None,
        )
    except ValueError as error:
        raise ConfigError(f"training.tracker or training.mixed_precision: {error}") from error


def forget_accelerator() -> None:
    """Let the next `build_accelerator` of this process start afresh, with another mixed precision for one."""
    AcceleratorState._reset_state(reset_partial_state=True)  # Accelerate offers no other way
    GradientState._reset_state()


def build_trainer(
    config: RunConfig,
    accelerator: Accelerator,
    splits: Splits,
    on_step: Callable[[dict[str, Any]], None] | None = None,
    *,
    supernet: Supernet | None = None,
    sampler: Sampler | None = None,
) -> Trainer:
    """Everything that training needs, prepared; a run that was begun in the folder is resumed by `Trainer.run`.

    Args:
        config: The run.
        accelerator: From `build_accelerator`.
        splits: The images.
        on_step: Called by the main rank with each step's record.
        supernet: What to train in place of the configured space's supernet.
        sampler: What to draw archs by in place of the configured sampler.

    Raises:
        ConfigError: The folder holds a run with another configuration.
    """
    training = config.training
    folder = RunFolder(Path(config.output))
    check_same_run(config, folder)
    world = accelerator.num_processes
    steps_per_epoch = max(1, len(splits.train) // (training.batch_size * world))
    total_steps = training.epochs * steps_per_epoch

    set_seed(config.seed)
    supernet = supernet if supernet is not None else build_model(config, splits.num_classes)
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
            sampler=sampler or build_sampler(config, splits.num_classes),
            label_loss=LabelSmoothingCrossEntropy(training.label_smoothing),
            kd_loss=build_kd_loss(config),
            clip_value=training.clip_value,
        ),
        schedule=WarmupCosine(
            base_lr=training.lr * max(1, training.batch_size * world // 256),
            total_steps=total_steps,
            warmup_steps=training.warmup_epochs * steps_per_epoch,
        ),
        batches=batches,
        total_steps=total_steps,
        checkpoints=Checkpoints(
            accelerator, folder.checkpoints, keep=training.keep_checkpoints, identity=run_identity(config)
        ),
        save_every=training.save_every,
        log=JsonLinesLog(folder.log),
        on_step=on_step,
    )


def run_identity(config: RunConfig) -> dict[str, Any]:
    """What must not change between the beginning of a run and its resumption: all that its weights depend on."""
    values = {**to_dict(config), "space": build_space(config).to_config()}
    for key in ("output", "evaluation", "search", "publish"):
        del values[key]
    for key in ("save_every", "keep_checkpoints", "tracker"):
        del values["training"][key]
    for key in ("root", "workers"):
        del values["data"][key]
    return values


def complete_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """A kept `run_identity` with the keys that have come into configurations since then, at their defaults."""
    known = {key: value for key, value in identity["space"].items() if key in SpaceConfig.__dataclass_fields__}
    try:
        return run_identity(from_dict(RunConfig, {**identity, "space": known, "output": ""}))
    except ConfigError:  # a key that is no more, or a value that is no longer allowed
        return dict(identity)


def check_same_run(config: RunConfig, folder: RunFolder) -> None:
    """ConfigError if the folder holds a run whose weights come of another configuration."""
    check_same_identity(run_identity(config), folder, complete_identity)


def check_same_identity(
    identity: dict[str, Any],
    folder: RunFolder,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> None:
    """ConfigError if the folder holds a run of another identity, of which `complete` makes one of today's keys."""
    latest = latest_checkpoint(folder.checkpoints)
    changed = differences(complete(read_state(latest)["identity"]), identity) if latest else []
    if changed:
        raise ConfigError(
            f"{folder.path} holds a run with other values of {', '.join(changed)}; "
            f"choose another output, put the values back, or delete {folder.checkpoints} to start anew"
        )
