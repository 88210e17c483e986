"""A configuration becomes a run that trains one network: on labels, or on labels and a fixed teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import broadcast_object_list
from torch import nn

from ..atomic import write_text
from ..config import NetworkRunConfig
from ..data import ErasedImages, LabelledImages, SeededDataset, SeededMixing, Splits, draw_loader, eval_loader
from ..errors import ConfigError
from ..evaluation import evaluate
from ..losses import Objective
from ..schedules import Phase, Timeline, WarmupCosine
from ..training import NetworkUpdate, Teacher, TeacherLogits, Update, timm_optimizer, weights_digest
from ..weights import Publication, publish
from .accelerator import with_launch_flags
from .building import build_data, kd_loss_of
from .identity import complete_network_identity, network_identity
from .networks import check_networks, create_network, open_teacher
from .run_folder import RunFolder
from .start import check_start, kept_start, start_of_network
from .training_run import OnStep, TrainingRun, Watch

OnFilled = Callable[[int, int], None]
_FINGERPRINTS = 8  # images whose pixels count as those of all


def run_network(
    config: NetworkRunConfig,
    on_step: OnStep | None = None,
    on_filled: OnFilled | None = None,
    *,
    watch: Watch | None = None,
    resume_from: str | Path | None = None,
) -> dict[str, float]:
    """Train one network, or go on where a run in the same folder stopped; measure it, and write it for timm.

    Args:
        config: The run.
        on_step: Called by the main rank with each step's record.
        on_filled: Told by the main rank how many of how many views the teacher has been asked about, where its logits
            are kept.
        watch: Given the trainer before its first step, on every rank; what it returns is called as `on_step` is.
        resume_from: As in `run_supernet`.

    Returns:
        ``test_top1``, ``test_top5`` (percent), ``test_loss`` and ``test_count``; the same of ``search`` where images
        were held out. A run that was finished before is not measured again.

    Raises:
        AlphaNetError: A configuration that cannot be built, a folder of another run, a loss that is not finite, ...
    """
    if (metrics := _finished(config)) is not None:
        return metrics
    check_networks(config)
    run = NetworkRun(config, on_filled=on_filled, resume_from=resume_from)
    run.train(on_step, watch)
    with run.owned():
        (metrics,) = broadcast_object_list([run.finish() if run.accelerator.is_main_process else None])
    run.accelerator.end_training()
    assert metrics is not None
    return metrics


class NetworkRun(TrainingRun[NetworkRunConfig]):
    """Trains one network.

    Args:
        config: The run.
        splits: Its images, where they are not the configured ones.
        on_filled: See `run_network`.
        model: What to train in place of the configured network.
        resume_from: See `run_supernet`.
    """

    def __init__(
        self,
        config: NetworkRunConfig,
        splits: Splits | None = None,
        *,
        on_filled: OnFilled | None = None,
        model: nn.Module | None = None,
        resume_from: str | Path | None = None,
    ):
        config = replace(config, training=with_launch_flags(config.training))
        super().__init__(config, build_data(config) if splits is None else splits, resume_from=resume_from)
        self.on_filled, self._model = on_filled, model
        self.views = _views(config)

    def identity(self) -> dict[str, Any]:
        values = network_identity(self.config)
        if self.teacher is not None:
            values["teacher"] |= {"sha256": weights_digest(self.teacher.model), **self._resized}
        return values

    @property
    def _resized(self) -> dict[str, Any]:
        """How the teacher's images are resized, where they are: what its logits depend on beside its weights."""
        expected = self.teacher and self.teacher.expected
        if expected is None or expected.input_size[1:] == (self.splits.image_size,) * 2:
            return {}
        return {"resized": [*expected.input_size[1:], expected.interpolation]}

    def complete(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        return complete_network_identity(kept)

    @cached_property
    def images(self) -> LabelledImages:
        erasing = self.config.training.erasing
        return ErasedImages(self.splits.train, erasing) if erasing else self.splits.train

    @property
    def timeline(self) -> Timeline[Phase]:
        training, scale = self.config.training, self.batch.lr_scale
        rate = WarmupCosine(
            base_lr=training.lr * scale,
            final_lr=training.final_lr * scale,
            total_steps=self.total_steps,
            warmup_steps=training.warmup_epochs * self.steps_per_epoch,
        )
        return Timeline([Phase(name="train", steps=range(self.total_steps), rate=rate)])

    @cached_property
    def teacher(self) -> Teacher | None:
        """The fixed teacher, prepared; None where labels alone are learnt."""
        config = self.config
        if config.teacher is None or not config.distils:
            return None
        return open_teacher(config.teacher, self.splits, self.accelerator)

    def build_model(self) -> nn.Module:
        if self._model is not None:
            return self._model
        network = self.config.model
        model = create_network(network, self.splits.num_classes, self.splits.image_size, self.splits.in_chans)
        start = start_of_network(network, model)
        if self.begins:
            check_start(network, start, self.splits)
        self.keep_start(start)
        return model

    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        training = self.config.training
        try:
            return timm_optimizer(
                model,
                training.optimizer,
                lr=training.lr,
                weight_decay=training.weight_decay,
                momentum=training.momentum,
            )
        except ValueError as error:
            raise ConfigError(f"training.{error}") from error

    def build_update(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Update:
        return NetworkUpdate(
            accelerator=self.accelerator,
            model=model,
            optimizer=optimizer,
            objective=_build_objective(self.config),
            teacher=self.teacher,
            mix=_build_mixing(self.config, self.splits.num_classes, self.accelerator.process_index),
            clip_value=self.config.training.clip_value,
            micro_batches=self.batch.accumulate,
        )

    def batches(self, start_step: int, **options: Any) -> Iterable[Sequence[torch.Tensor]]:
        """This rank's batches from a step on, with the teacher's logits where views repeat."""
        if self.logits is not None and self.teacher is not None:
            self.logits.fill(self.accelerator, self.teacher, self._drawn, self.on_filled)
        repeats = self.config.training.repeats
        return super().batches(start_step, repeats=repeats, views=self.views, beside=self.logits, **options)

    def _drawn(self, draws: Sequence[int]) -> Iterable[Sequence[torch.Tensor]]:
        config = self.config
        return draw_loader(
            self.images, draws, config.training.batch_size, seed=config.seed, num_workers=config.data.workers
        )

    @cached_property
    def logits(self) -> TeacherLogits | None:
        """The teacher's kept logits, where views repeat."""
        if self.teacher is None or self.views is None:
            return None
        config, count = self.config, len(self.images)
        assert config.teacher is not None
        views = count * self.views
        values = network_identity(config)
        key = {
            "teacher": weights_digest(self.teacher.model),
            "options": values["teacher"]["options"],
            **self._resized,
            "precision": config.training.mixed_precision,
            "data": values["data"],
            "seed": config.seed,
            "erasing": config.training.erasing,
            "views": self.views,
            "images": count,
            "split": self.splits.record and self.splits.record.digest,
            "pixels": _fingerprint(self.images, config.seed, views),
        }
        where = Path(config.teacher.cache).expanduser() if config.teacher.cache else self.folder.teacher_logits
        return TeacherLogits(where, key, views, self.splits.num_classes)

    def finish(self) -> dict[str, float]:
        """Measure the trained network, write it to the run's ``model`` folder, and keep the figures."""
        config, splits = self.config, self.splits
        model = self.accelerator.unwrap_model(self.trainer.update.model)
        metrics: dict[str, float] = {}
        for part in ("test", "search"):
            images: LabelledImages = getattr(splits, part)
            if len(images):
                batches = eval_loader(images, batch_size=config.training.batch_size, num_workers=config.data.workers)
                metrics |= {f"{part}_{name}": value for name, value in evaluate(model, batches).to_dict().items()}
        publication = Publication(
            architecture=cast(Mapping[str, Any], model.pretrained_cfg)["architecture"],
            data_config=splits.data_config,
            class_names=splits.class_names,
            metrics={key.removeprefix("test_"): value for key, value in metrics.items() if key.startswith("test_")},
            dataset=splits.name,
            recipe=network_identity(config, defaults=True),
            license=None,
            start=kept_start(self.folder, _configured_start(config)),
            protocol="timm's, resized, centre crop; test images, which training did not see",
        )
        publish(model, publication, self.folder.model)
        kept = {"metrics": metrics, "identity": network_identity(config)}
        write_text(self.folder.metrics, json.dumps(kept, indent=2))
        return metrics


def _finished(config: NetworkRunConfig) -> dict[str, float] | None:
    """The figures of a run that was finished with this very configuration."""
    folder = RunFolder(Path(config.output))
    try:
        record = json.loads(folder.metrics.read_text(encoding="utf-8"))
        same = complete_network_identity(record["identity"]) == json.loads(json.dumps(network_identity(config)))
        return dict(record["metrics"]) if same and folder.model.is_dir() else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _configured_start(config: NetworkRunConfig) -> str:
    network = config.model
    return "" if not network.pretrained else network.name if network.pretrained is True else str(network.pretrained)


def _build_objective(config: NetworkRunConfig) -> Objective:
    smoothing = config.training.label_smoothing
    if config.teacher is None:
        return Objective(label_smoothing=smoothing)
    return Objective(kd_loss_of(config.distillation), config.teacher.weight, smoothing)


def _build_mixing(config: NetworkRunConfig, num_classes: int, rank: int) -> SeededMixing | None:
    training = config.training
    if not (training.mixup or training.cutmix):
        return None
    return SeededMixing(
        mixup=training.mixup, cutmix=training.cutmix, num_classes=num_classes, seed=config.seed, rank=rank
    )


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
