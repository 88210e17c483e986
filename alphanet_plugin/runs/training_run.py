"""A run that trains: opened, built, prepared, trained and closed here, whatever it trains."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list, set_seed
from torch import nn

from ..atomic import write_text
from ..config import FinetuneConfig, NetworkRunConfig, RunConfig, differences, to_yaml
from ..data import LabelledImages, Splits, train_loader
from ..errors import AlphaNetError, CheckpointError, ConfigError, InUseError
from ..models import to_memory_format
from ..nearest import path_hint
from ..owner import owned
from ..schedules import Phase, Timeline
from ..training import (
    Checkpoints,
    GlobalBatch,
    JsonLinesLog,
    Trainer,
    Update,
    is_checkpoint,
    latest_checkpoint,
    read_state,
)
from .accelerator import init_trackers, open_accelerator
from .identity import check_same_identity
from .run_folder import RunFolder
from .run_images import check_ranks_agree, keep_images, with_images, without_images
from .start import Start, keep_start, pass_start_on

_OF_BATCH = ("training.batch_size", "training.accumulate")

Config = TypeVar("Config", RunConfig, NetworkRunConfig)
OnStep = Callable[[dict[str, Any]], None]
Watch = Callable[[Trainer], OnStep | None]
"""Given the trainer before its first step, on every rank; what it returns is called like an `OnStep`."""


class TrainingRun(ABC, Generic[Config]):
    """One assembler for runs that train a supernet or a network; a kind of run says only what it trains.

    Args:
        config: The run, with what the launcher says filled in.
        splits: Its images.
        ddp: How ranks share gradients; None for Accelerate's way.
        resume_from: See `run_supernet`.

    Attributes:
        folder: Where its parts lie.
        accelerator: Accelerate's.
    """

    def __init__(
        self,
        config: Config,
        splits: Splits,
        ddp: DistributedDataParallelKwargs | None = None,
        resume_from: str | Path | None = None,
    ):
        self.config: Config = config
        self.splits = splits
        self.folder = RunFolder(Path(config.output))
        self.resumption = None if resume_from is None else find_resumption(Path(resume_from), self.folder)
        self.accelerator: Accelerator = open_accelerator(config.training, config.output, ddp=ddp)

    # -- what a kind of run says ----------------------------------------------------------------------------------

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What the weights depend on, JSON values."""

    @abstractmethod
    def complete(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """A kept `identity`, of today or of an earlier version, as today's."""

    @abstractmethod
    def build_model(self) -> nn.Module:
        """What is trained, on the CPU."""

    @abstractmethod
    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Of the model's parameters."""

    @abstractmethod
    def build_update(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Update:
        """What a step does with the prepared two."""

    @property
    def images(self) -> LabelledImages:
        """What steps train on."""
        return self.splits.train

    @property
    @abstractmethod
    def timeline(self) -> Timeline[Phase]:
        """The phases of the run."""

    def batches(self, start_step: int, **options: Any) -> Iterable[Sequence[torch.Tensor]]:
        """This rank's batches from a step on."""
        return train_loader(
            self.images,
            batch_size=self.batch.batch_size * self.batch.accumulate,
            steps=self.total_steps,
            seed=self.config.seed,
            start_step=start_step,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
            num_workers=self.config.data.workers,
            **options,
        )

    # -- the rest is the same for all ------------------------------------------------------------------------------

    @property
    def batch(self) -> GlobalBatch:
        """The images of an update."""
        return GlobalBatch(
            batch_size=self.config.training.batch_size,
            accumulate=self.config.training.accumulate or 1,
            processes=self.accelerator.num_processes,
            num_images=len(self.splits.train),
        )

    @property
    def steps_per_epoch(self) -> int:
        return self.batch.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.config.training.epochs * self.steps_per_epoch

    @cached_property
    def trainer(self) -> Trainer:
        """Everything that training needs, prepared; `Trainer.run` goes on with a run that was begun in the folder.

        Raises:
            ConfigError: The folder holds a run with another configuration, or something cannot be built.
        """
        training, accelerator = self.config.training, self.accelerator
        self.check_same()
        _ = self.timeline  # a phase that makes no sense is refused before anything is written
        check_ranks_agree(accelerator, self.splits)
        if accelerator.is_main_process:
            keep_images(self.splits, self.folder)
        set_seed(self.config.seed)
        model = to_memory_format(self.build_model(), accelerator.device)
        prepared, optimizer = _prepare(accelerator, model, self.build_optimizer(model))
        set_seed(self.config.seed, device_specific=True)
        return Trainer(
            accelerator=accelerator,
            update=self.build_update(prepared, optimizer),
            timeline=self.timeline,
            batches=self.batches,
            steps_per_epoch=self.steps_per_epoch,
            checkpoints=Checkpoints(
                accelerator,
                self.folder.checkpoints,
                keep=training.keep_checkpoints,
                identity=with_images(self.identity(), self.splits),
                batch=self.batch,
                fewer_images=self.config.data.on_change == "accept",
            ),
            save_every=training.save_every,
            log=JsonLinesLog(self.folder.log),
            resume_from=self.resumption,
        )

    def train(self, on_step: OnStep | None = None, watch: Watch | None = None) -> None:
        """To the end, or on from where a run in the same folder stopped.

        Args:
            on_step: Called by the main rank with each step's record.
            watch: See `Watch`.

        Raises:
            AlphaNetError: The folder holds another run, another process trains this one, a loss is not finite, a
                checkpoint cannot be written, ...
        """
        with self.owned():
            self._train(on_step, watch)

    def _train(self, on_step: OnStep | None, watch: Watch | None) -> None:
        trainer = self.trainer
        trainer.check()
        if self.accelerator.is_main_process:
            write_run_config(self.config)
            if self.resumption is not None:
                record_resumption(self.resumption, self.folder, self.identity(), self.complete)
        init_trackers(self.accelerator, self.config)
        calls = [watch(trainer) if watch else None, on_step, self.watch(trainer)]

        def all_of_them(record: dict[str, Any]) -> None:
            for call in calls:
                if call:
                    call(record)

        trainer.run(all_of_them)

    def watch(self, trainer: Trainer) -> OnStep | None:  # noqa: ARG002
        """What a kind of run looks at after each step, on the main rank; None for nothing."""
        return None

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the only launch that writes into the folder; the ranks of this one share it.

        Raises:
            InUseError: Another does; on every rank.
            ConfigError: It cannot be written.
        """
        refused: AlphaNetError | None = None
        with ExitStack() as stack:
            if self.accelerator.is_main_process:
                try:
                    run = f"the run {self.folder.path}"
                    stack.enter_context(owned(self.folder.owner, run, "choose another output"))
                except InUseError as error:
                    refused = error
                except OSError as error:
                    refused = ConfigError(f"output: {self.folder.path} cannot be a run's folder ({error})")
            (refused,) = broadcast_object_list([refused])
            if refused is not None:
                raise refused
            yield

    @property
    def begins(self) -> bool:
        """Whether its first step is still to come, from no checkpoint."""
        return self.resumption is None and latest_checkpoint(self.folder.checkpoints) is None

    def keep_start(self, start: Start | None) -> None:
        """Write down which weights the training begins from, for the cards of what it publishes."""
        if self.accelerator.is_main_process:
            if self.begins:
                keep_start(start, self.splits, self.folder)
            elif self.resumption is not None:
                pass_start_on(self.resumption, self.folder)

    def check_same(self) -> None:
        """ConfigError if the folder holds a run whose weights come of another configuration.

        `Checkpoints.load` compares the images of an update, as it knows the ranks of before.
        """
        if self.resumption is None:
            check_same_identity(self.identity(), self.folder, self.complete, free=_OF_BATCH)


def _prepare(accelerator: Accelerator, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    """Accelerate's, without torch's word on `broadcast_buffers`, for which Accelerate has no other name yet."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return accelerator.prepare(model, optimizer)


def write_run_config(config: RunConfig | NetworkRunConfig | FinetuneConfig) -> None:
    """Keep the configuration beside what it makes; trials of a transfer read it there."""
    folder = RunFolder(Path(config.output))
    write_text(folder.config, to_yaml(config))


def find_resumption(source: Path, folder: RunFolder) -> Path:
    """The checkpoint to go on from.

    Args:
        source: A checkpoint, or a run's folder for its newest.
        folder: Of the run that goes on; it may be the same.

    Raises:
        CheckpointError: There is no checkpoint.
        ConfigError: The folder holds newer ones, which a later start would take instead.
    """
    source = source.expanduser()
    checkpoint = source if is_checkpoint(source) else latest_checkpoint(RunFolder(source).checkpoints)
    if checkpoint is None:
        raise CheckpointError(
            f"--resume-from: {source} is no checkpoint, and no run's folder with one{path_hint(source)}"
        )
    newest = latest_checkpoint(folder.checkpoints)
    if newest is not None and int(read_state(newest)["step"]) > int(read_state(checkpoint)["step"]):
        raise ConfigError(
            f"--resume-from: {folder.path} holds checkpoints after {checkpoint}, up to {newest}; leave "
            "--resume-from out to go on from that, delete those after it, or choose another output"
        )
    return checkpoint


def record_resumption(
    checkpoint: Path,
    folder: RunFolder,
    identity: Mapping[str, Any],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> None:
    """Write down in the run's history which keys changed, as ``{key: [old, new]}``, and from which step on."""
    state = read_state(checkpoint)
    before = complete(without_images(state["identity"] or {}))
    changed = {key: [_at(before, key), _at(identity, key)] for key in differences(dict(before), dict(identity))}
    JsonLinesLog(folder.resumptions).write({
        "step": state["step"],
        "from": str(checkpoint),
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "changed": changed,
    })  # fmt: skip


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
