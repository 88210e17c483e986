"""A configuration becomes a run that trains one network: on labels, or on labels and a fixed teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn

from ..atomic import atomic_file
from ..config import NetworkRunConfig, NetworkTrainingConfig, differences, to_dict
from ..data import (
    ErasedImages,
    LabelledImages,
    SeededDataset,
    SeededMixing,
    Splits,
    draw_loader,
    eval_loader,
    train_loader,
)
from ..errors import ConfigError
from ..evaluation import evaluate
from ..losses import FixedTeacherObjective, LabelSmoothingCrossEntropy
from ..schedules import WarmupCosine
from ..training import (
    Checkpoints,
    JsonLinesLog,
    NetworkUpdate,
    Teacher,
    TeacherLogits,
    Trainer,
    weights_digest,
)
from ..weights import NetworkPublication, publish_network
from .building import check_same_identity, kd_loss_of, open_accelerator
from .networks import check_networks, create_network, create_teacher
from .run_folder import RunFolder
from .run_images import check_ranks_agree, data_identity, keep_images, open_images, with_images
from .trained_run import write_run_config

OnStep = Callable[[dict[str, Any]], None]
OnFilled = Callable[[int, int], None]
_FINGERPRINTS = 8  # images whose pixels count as those of all


def run_network(
    config: NetworkRunConfig,
    on_step: OnStep | None = None,
    on_filled: OnFilled | None = None,
    *,
    on_start: Callable[[Trainer], None] | None = None,
) -> dict[str, float]:
    """Train one network, or go on where a run in the same folder stopped; measure it, and write it for timm.

    Args:
        config: The run.
        on_step: Called by the main rank with each step's record.
        on_filled: Told by the main rank how many of how many views the teacher has been asked about, where its logits
            are kept.
        on_start: Given the trainer before it starts.

    Returns:
        ``test_top1``, ``test_top5`` (percent), ``test_loss`` and ``test_count``; the same of ``search`` where images
        were held out. A run that was finished before is not measured again.

    Raises:
        AlphaNetError: A configuration that cannot be built, a folder of another run, a loss that is not finite, ...
    """
    folder = RunFolder(Path(config.output))
    if (metrics := _finished(config, folder)) is not None:
        return metrics
    check_networks(config)
    accelerator = build_network_accelerator(config)
    splits = build_network_data(config)
    trainer = build_network_trainer(config, accelerator, splits, on_step, on_filled)
    if accelerator.is_main_process:
        write_run_config(config)
    if config.training.tracker:
        accelerator.init_trackers("alphanet")
    if on_start:
        on_start(trainer)
    trainer.run()
    measured = [finish_network(config, trainer, splits) if accelerator.is_main_process else None]
    (metrics,) = broadcast_object_list(measured)
    accelerator.end_training()
    assert metrics is not None
    return metrics


def build_network_accelerator(config: NetworkRunConfig) -> Accelerator:
    """Accelerate's, as a run of one network has it under several ranks."""
    return open_accelerator(config.training, config.output)


def build_network_data(config: NetworkRunConfig) -> Splits:
    """The images; those that the run in the output folder began with, if any did."""
    return open_images(config.data, RunFolder(Path(config.output)))


def build_network_trainer(
    config: NetworkRunConfig,
    accelerator: Accelerator,
    splits: Splits,
    on_step: OnStep | None = None,
    on_filled: OnFilled | None = None,
    *,
    model: nn.Module | None = None,
) -> Trainer:
    """Everything that training needs, prepared; a run that was begun in the folder is resumed by `Trainer.run`.

    Args:
        config: The run.
        accelerator: From `build_network_accelerator`.
        splits: The images.
        on_step: Called by the main rank with each step's record.
        on_filled: See `run_network`.
        model: What to train in place of the configured network.

    Raises:
        ConfigError: The folder holds a run with another configuration, or a network or teacher cannot be built.
        HubError: Weights cannot be fetched.
    """
    training = config.training
    folder = RunFolder(Path(config.output))
    check_ranks_agree(accelerator, splits)
    world = accelerator.num_processes
    steps_per_epoch = max(1, len(splits.train) // (training.batch_size * world))
    total_steps = training.epochs * steps_per_epoch
    scale = max(1, training.batch_size * world // 256)
    images = ErasedImages(splits.train, training.erasing) if training.erasing else splits.train
    teacher = _build_teacher(config, accelerator, splits)
    identity = network_identity(config)
    if teacher is not None:
        identity["teacher"]["sha256"] = weights_digest(teacher.model)
    check_same_identity(identity, folder)

    set_seed(config.seed)
    model = model if model is not None else create_network(config.model, splits.num_classes, splits.image_size)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _build_optimizer(training, model)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    set_seed(config.seed, device_specific=True)

    if accelerator.is_main_process:
        keep_images(splits, folder)
    return Trainer(
        accelerator=accelerator,
        update=NetworkUpdate(
            accelerator=accelerator,
            model=prepared,
            optimizer=optimizer,
            objective=_build_objective(config),
            teacher=teacher,
            mix=_build_mixing(config, splits.num_classes, accelerator.process_index),
            clip_value=training.clip_value,
        ),
        schedule=WarmupCosine(
            base_lr=training.lr * scale,
            final_lr=training.final_lr * scale,
            total_steps=total_steps,
            warmup_steps=training.warmup_epochs * steps_per_epoch,
        ),
        batches=_Batches(config, accelerator, images, total_steps, teacher, identity, splits, on_filled),
        total_steps=total_steps,
        checkpoints=Checkpoints(
            accelerator,
            folder.checkpoints,
            keep=training.keep_checkpoints,
            identity=with_images(identity, splits),
        ),
        save_every=training.save_every,
        log=JsonLinesLog(folder.log),
        on_step=on_step,
    )


def finish_network(config: NetworkRunConfig, trainer: Trainer, splits: Splits) -> dict[str, float]:
    """Measure the trained network, write it to the run's ``model`` folder, and keep the figures; the main rank's."""
    folder = RunFolder(Path(config.output))
    model = trainer.accelerator.unwrap_model(trainer.update.model)
    metrics: dict[str, float] = {}
    for part in ("test", "search"):
        images: LabelledImages = getattr(splits, part)
        if len(images):
            batches = eval_loader(images, batch_size=config.training.batch_size, num_workers=config.data.workers)
            metrics |= {f"{part}_{name}": value for name, value in asdict(evaluate(model, batches)).items()}
    publication = NetworkPublication(
        name=config.model.name,
        data_config=splits.data_config,
        class_names=splits.class_names,
        metrics={key.removeprefix("test_"): value for key, value in metrics.items() if key.startswith("test_")},
        dataset=splits.name,
        recipe=network_identity(config),
    )
    publish_network(model, publication, folder.model)
    with atomic_file(folder.metrics) as beside:
        beside.write_text(json.dumps({"metrics": metrics, "identity": network_identity(config)}, indent=2))
    return metrics


def network_identity(config: NetworkRunConfig) -> dict[str, Any]:
    """What must not change between the beginning of a run and its resumption: all that its weights depend on."""
    values = to_dict(replace(config, kd=config.distillation))
    del values["output"]
    for key in ("save_every", "keep_checkpoints", "tracker"):
        del values["training"][key]
    values["data"] = data_identity(values["data"])
    if values["teacher"] is not None:
        del values["teacher"]["cache"]
    return values


def _finished(config: NetworkRunConfig, folder: RunFolder) -> dict[str, float] | None:
    """The figures of a run that was finished with this very configuration."""
    try:
        record = json.loads(folder.metrics.read_text(encoding="utf-8"))
        same = not differences(record["identity"], json.loads(json.dumps(network_identity(config))))
        return dict(record["metrics"]) if same and folder.model.is_dir() else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _build_objective(config: NetworkRunConfig) -> LabelSmoothingCrossEntropy | FixedTeacherObjective:
    smoothing = config.training.label_smoothing
    kd = kd_loss_of(config.distillation)
    if kd is None or config.teacher is None:
        return LabelSmoothingCrossEntropy(smoothing)
    return FixedTeacherObjective(kd, config.teacher.weight, smoothing)


def _build_teacher(config: NetworkRunConfig, accelerator: Accelerator, splits: Splits) -> Teacher | None:
    if config.teacher is None or not config.distils:
        return None
    model = create_teacher(config.teacher, splits)
    cfg: Any = model.pretrained_cfg
    return Teacher(
        accelerator,
        model.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        images={"mean": splits.mean, "std": splits.std},
        expected={"mean": cfg["mean"], "std": cfg["std"]},
    )


def _build_optimizer(training: NetworkTrainingConfig, model: nn.Module) -> torch.optim.Optimizer:
    if training.optimizer not in list_optimizers():
        raise ConfigError(
            f"training.optimizer: {training.optimizer!r} is none of timm's, such as sgd, adamw or lamb "
            "(timm.optim.list_optimizers())"
        )
    try:
        return create_optimizer_v2(
            model, training.optimizer, lr=training.lr, weight_decay=training.weight_decay, momentum=training.momentum
        )
    except (ImportError, AssertionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"training.optimizer: timm cannot build {training.optimizer}: {error}") from error


def _build_mixing(config: NetworkRunConfig, num_classes: int, rank: int) -> SeededMixing | None:
    training = config.training
    if not (training.mixup or training.cutmix):
        return None
    return SeededMixing(
        mixup=training.mixup, cutmix=training.cutmix, num_classes=num_classes, seed=config.seed, rank=rank
    )


class _Batches:
    """start step -> this rank's batches from there on, with the teacher's logits where views repeat."""

    def __init__(
        self,
        config: NetworkRunConfig,
        accelerator: Accelerator,
        images: LabelledImages,
        total_steps: int,
        teacher: Teacher | None,
        identity: dict[str, Any],
        splits: Splits,
        on_filled: OnFilled | None,
    ):
        self.config, self.accelerator, self.images, self.total_steps = config, accelerator, images, total_steps
        self.views = _views(config)
        self.teacher, self.on_filled = teacher, on_filled
        self.logits = self._open_logits(identity, splits) if teacher is not None and self.views else None

    def __call__(self, start_step: int) -> Iterable[Sequence[torch.Tensor]]:
        config, accelerator = self.config, self.accelerator
        if self.logits is not None and self.teacher is not None:
            self.logits.fill(accelerator, self.teacher, self._drawn, self.on_filled)
        return train_loader(
            self.images,
            batch_size=config.training.batch_size,
            steps=self.total_steps,
            seed=config.seed,
            start_step=start_step,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
            num_workers=config.data.workers,
            repeats=config.training.repeats,
            views=self.views,
            beside=self.logits,
        )

    def _drawn(self, draws: Sequence[int]) -> Iterable[Sequence[torch.Tensor]]:
        config = self.config
        return draw_loader(
            self.images, draws, config.training.batch_size, seed=config.seed, num_workers=config.data.workers
        )

    def _open_logits(self, identity: dict[str, Any], splits: Splits) -> TeacherLogits:
        assert self.views is not None
        config, count = self.config, len(self.images)
        views = count * self.views
        key = {
            "teacher": identity["teacher"]["sha256"],
            "options": identity["teacher"]["options"],
            "precision": config.training.mixed_precision,
            "data": identity["data"],
            "seed": config.seed,
            "erasing": config.training.erasing,
            "views": self.views,
            "images": count,
            "split": splits.record and splits.record.digest,
            "pixels": _fingerprint(self.images, config.seed, views),
        }
        folder = config.teacher.cache if config.teacher else None
        where = Path(folder).expanduser() if folder else RunFolder(Path(config.output)).teacher_logits
        return TeacherLogits(where, key, views, splits.num_classes)


def _views(config: NetworkRunConfig) -> int | None:
    """How many views an image has; None for a new one in every epoch."""
    training = config.training
    if config.teacher is None or training.mixup or training.cutmix:
        return None
    return 1 if config.data.augment is False and not training.erasing else config.teacher.views


def _fingerprint(images: LabelledImages, seed: int, num_draws: int) -> str:
    """sha256 of a few draws' pixels and labels, in which other images or another library's transforms show."""
    drawn, whole = SeededDataset(images, seed), hashlib.sha256()
    for draw in sorted({number * (num_draws - 1) // (_FINGERPRINTS - 1) for number in range(_FINGERPRINTS)}):
        image, label = drawn[draw]
        whole.update(f"{draw} {label}".encode())
        whole.update(image.contiguous().numpy().tobytes())
    return whole.hexdigest()
