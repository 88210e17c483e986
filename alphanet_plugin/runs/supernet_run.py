"""A configuration becomes a run that trains a supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedDataParallelKwargs

from ..config import RunConfig
from ..data import Splits
from ..errors import ConfigError
from ..losses import KDLoss, Objective
from ..report import plot_gradients, plot_training
from ..samplers import Sampler
from ..schedules import Timeline
from ..supernet import Supernet
from ..training import (
    FIRST,
    GradientComparison,
    JsonLinesLog,
    SupernetPhase,
    SupernetUpdate,
    Trainer,
    Update,
    build_optimizer,
    latest_checkpoint,
    random_states_kept,
    read_state,
)
from .accelerator import with_launch_flags
from .building import build_data, build_model
from .curve import Curve, read_curve
from .identity import OWN, TEACHERS, complete_supernet_identity, describe_part, supernet_identity
from .phase_teachers import PhaseTeachers, digest_of_teacher
from .start import start_from, warn_of_start
from .timeline import build_timeline
from .trained_run import TrainedRun, search_batches
from .training_cost import write_training_cost
from .training_run import OnStep, TrainingRun, Watch

# A step's last subnet leaves weights unused that earlier ones used; BatchNorm keeps no statistics to broadcast.
_DDP = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)


def run_supernet(
    config: RunConfig,
    on_step: OnStep | None = None,
    *,
    watch: Watch | None = None,
    supernet: Supernet | None = None,
    sampler: Sampler | None = None,
    kd_loss: KDLoss | None = None,
    objective: Objective | None = None,
    resume_from: str | Path | None = None,
) -> TrainedRun:
    """Train a supernet, or go on where a run in the same folder stopped.

    Args:
        config: The run, from `read_config`.
        on_step: Called by the main rank with each step's record: ``step``, ``lr``, ``loss``, ``kd_loss``, ...
        watch: Given the trainer before its first step, on every rank; what it returns is called as `on_step` is.
        supernet: What to train in place of the configured space's supernet.
        sampler: What to draw archs by in place of the configured sampler.
        kd_loss: What the students learn by in place of the configured loss.
        objective: What passes that learn from a teacher learn by, in place of the phases' own weighing of labels and
            kd_loss. These three belong to the run's identity by their class and parameters: docs/own_loss.md.
        resume_from: A checkpoint, or a run's folder, to go on from although the configuration has changed, as with a
            lower rate; ``resumed.jsonl`` in the run's folder records what did. None to refuse another configuration.

    Returns:
        The trained run, ready to be searched and published.

    Raises:
        AlphaNetError: A configuration that cannot be built, a folder of another run, a loss that is not finite, ...
    """
    own = {"sampler": sampler, "kd_loss": kd_loss, "objective": objective}
    run = SupernetRun(config, supernet=supernet, **own, resume_from=resume_from)
    run.train(on_step, watch)
    if run.accelerator.is_main_process:
        write_training_cost(run.folder, config.cost.per_device_hour)
        draw_training(run)
        if config.training.diagnose_every and run.folder.gradients.is_file():
            records = JsonLinesLog(run.folder.gradients).read()
            plot_gradients(records, run.folder.gradient_picture, title=f"Gradients on {run.splits.name}")
    run.accelerator.end_training()
    return run.trained()


def draw_training(run: SupernetRun) -> Path:
    """Draw a run's log, as ``training.png`` in its folder."""
    return plot_training(
        JsonLinesLog(run.folder.log).read(),
        run.folder.training_picture,
        steps_per_epoch=run.steps_per_epoch,
        title=f"Training on {run.splits.name}",
        measured=read_curve(run.folder, run.steps_per_epoch),
    )


class SupernetRun(TrainingRun[RunConfig]):
    """Trains a supernet; the arguments are those of `run_supernet`, and `splits` for other images than configured."""

    def __init__(
        self,
        config: RunConfig,
        splits: Splits | None = None,
        *,
        supernet: Supernet | None = None,
        sampler: Sampler | None = None,
        kd_loss: KDLoss | None = None,
        objective: Objective | None = None,
        resume_from: str | Path | None = None,
    ):
        config = replace(config, training=with_launch_flags(config.training))
        super().__init__(config, build_data(config) if splits is None else splits, _DDP, resume_from)
        self._supernet = supernet
        self._own: dict[str, Any] = {"sampler": sampler, "kd_loss": kd_loss, "objective": objective}

    def identity(self) -> dict[str, Any]:
        own = {name: describe_part(part) for name, part in self._own.items() if part is not None}
        teachers = self._phases_teachers
        return {
            **supernet_identity(self.config),
            **({OWN: own} if own else {}),
            **({TEACHERS: teachers} if teachers else {}),
        }

    def complete(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        values = complete_supernet_identity(kept)
        if TEACHERS not in kept and self._phases_teachers:  # an earlier version's: nothing is known of them
            values[TEACHERS] = self._phases_teachers
        return values

    @cached_property
    def _phases_teachers(self) -> dict[str, dict[str, str]]:
        """Digests of the networks of another kind that teach in phases; of phases that are over, those of then."""
        phases = self.config.phases or ()
        if {phase.teacher for phase in phases} <= {FIRST, *(phase.name for phase in phases)}:
            return {}
        latest = self.resumption or latest_checkpoint(self.folder.checkpoints)
        state = read_state(latest) if latest else {"step": 0, "identity": None}
        known = (state["identity"] or {}).get(TEACHERS, {})
        found = {
            phase.name: digest_of_teacher(phase, self.splits)
            if phase.steps.stop > state["step"]
            else known.get(phase.name)
            for phase in self.timeline.phases
            if phase.foreign_teacher
        }
        return {name: digest for name, digest in found.items() if digest}

    def build_model(self) -> Supernet:
        if self._supernet is not None:
            return self._supernet
        supernet = build_model(self.config, self.splits.num_classes)
        init = self.config.training.init
        start = None
        if self.begins and init is not None:
            start = start_from(supernet, init)
            warn_of_start(start, self.splits)
        self.keep_start(start)
        return supernet

    def build_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return self._optimizer(model, self.timeline.phases[0].optimizer)

    def _optimizer(self, model: torch.nn.Module, name: str) -> torch.optim.Optimizer:
        training = self.config.training
        try:
            return build_optimizer(
                model,
                name,
                lr=training.lr,
                momentum=training.momentum,
                weight_decay=training.weight_decay,
                arguments=training.optimizer_args if name == training.optimizer else None,
            )
        except ValueError as error:
            raise ConfigError(f"training.{error}") from error

    @cached_property
    def timeline(self) -> Timeline[SupernetPhase]:  # type: ignore[override]
        return build_timeline(
            self.config,
            self.steps_per_epoch,
            images_per_step=self.batch.images,
            num_classes=self.splits.num_classes,
            space=None if self._supernet is None else self._supernet.space,
            **self._own,
        )

    def build_update(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Update:
        bare, every = self.accelerator.unwrap_model(model), self.config.training.diagnose_every
        return SupernetUpdate(
            accelerator=self.accelerator,
            model=model,
            optimizer=optimizer,
            phase=self.timeline.phases[0],
            clip_value=self.config.training.clip_value,
            micro_batches=self.batch.accumulate,
            num_classes=self.splits.num_classes,
            new_optimizer=partial(self._optimizer, bare),
            teachers=PhaseTeachers(self.config, self.folder, self.accelerator, self.splits, self.resumption),
            gradients=None
            if every is None
            else GradientComparison(self.accelerator, bare, every, JsonLinesLog(self.folder.gradients)),
        )

    def watch(self, trainer: Trainer) -> OnStep | None:
        epochs = self.config.training.validate_epochs
        if epochs is None or not self.accelerator.is_main_process:
            return None
        with random_states_kept():
            batches = search_batches(self.config, self.splits)
        return Curve(trainer, supernet_of(trainer), self.folder, batches, epochs).on_step

    def trained(self) -> TrainedRun:
        """What was trained, opened for searching and publishing."""
        latest = latest_checkpoint(self.folder.checkpoints)
        assert latest is not None, "not trained yet"
        return TrainedRun(self.folder, self.config, latest, supernet_of(self.trainer), self.splits)


def supernet_of(trainer: Trainer) -> Supernet:
    """What a trainer of a supernet trains, as it is now."""
    assert isinstance(trainer.update, SupernetUpdate)
    return trainer.update.supernet
