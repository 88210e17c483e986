"""Fixed teachers of a run's phases: an earlier phase's largest arch, or a network that was trained elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from .. import store
from ..atomic import atomic_folder
from ..config import RunConfig, TeacherConfig
from ..data import Splits, eval_loader
from ..errors import CheckpointError, ConfigError
from ..evaluation import recalibrate_bn
from ..spaces import Arch
from ..supernet import Supernet
from ..training import FixedTeacher, SupernetPhase, random_states_kept, weights_digest
from ..weights import load_supernet, save_supernet
from .networks import create_teacher, open_teacher
from .run_folder import RunFolder


class PhaseTeachers:
    """Writes an earlier phase's supernet down, and makes teachers of it.

    A phase's supernet is written whole before the checkpoint at its end, and never deleted.

    Args:
        config: The run.
        folder: Where the run's parts lie.
        accelerator: Accelerate's.
        splits: The run's images.
        resumption: The checkpoint of another run that this one goes on from, if it does; its teachers come along.
    """

    def __init__(
        self, config: RunConfig, folder: RunFolder, accelerator: Accelerator, splits: Splits, resumption: Path | None
    ):
        self.config, self.folder, self.accelerator, self.splits = config, folder, accelerator, splits
        self._before = None if resumption is None else RunFolder(resumption.parent.parent)
        self._phases = {phase.name: phase for phase in config.phases or ()}

    def keep(self, phase: SupernetPhase, supernet: Supernet) -> None:
        """Write the supernet as it is at the end of a phase; called by every rank."""
        if self.accelerator.is_main_process:
            path = self.folder.teacher(phase.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            arch = getattr(phase.sampler, "space", supernet.space).largest()
            save_supernet(supernet, path, {"phase": phase.name, "step": phase.steps.stop, "arch": arch.to_dict()})
        self.accelerator.wait_for_everyone()

    def of(self, phase: SupernetPhase) -> FixedTeacher:
        """Who teaches in a phase.

        Raises:
            CheckpointError: The supernet of the phase that teaches is missing or damaged.
            ConfigError: The teacher is no network that tells these classes apart.
        """
        if phase.teacher in self._phases:
            return self._earlier_phase(phase.teacher, self._phases[phase.name].teacher_statistics == "recalibrated")
        with _errors_of(phase):
            teacher = open_teacher(TeacherConfig(name=phase.teacher), self.splits, self.accelerator)
        return lambda images, resolution: teacher(images)  # noqa: ARG005

    def _earlier_phase(self, name: str, recalibrated: bool) -> FixedTeacher:
        """The largest arch that an earlier phase trained, as it left it, at the resolution of the step's first arch."""
        try:
            supernet = load_supernet(self._folder(name))
            about = json.loads((self._folder(name) / store.CONFIG_FILE).read_text(encoding="utf-8"))
            model = supernet.extract(Arch(about["arch"]))
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; it taught phases after {name}: go on from a checkpoint of {name}, whose end writes it "
                "anew, or delete the run's checkpoints to start anew"
            ) from error
        model.requires_grad_(False).to(self.accelerator.device)
        if recalibrated:
            settings = self.config.evaluation
            images = eval_loader(self.splits.calibration, batch_size=settings.batch_size)
            recalibrate_bn(model, islice(images, settings.calibration_batches))
        model.eval()
        for module in model.modules() if not recalibrated else ():
            if isinstance(module, _BatchNorm):
                module.train()  # of the batch, as once-for-all's teacher is; dropout does not act

        @torch.no_grad()
        def teach(images: Tensor, resolution: int) -> Tensor:
            model.resolution = resolution  # type: ignore[assignment]
            with self.accelerator.autocast():
                return model(images).float()

        return teach

    def _folder(self, name: str) -> Path:
        """Where that supernet lies; brought along from the run that this one goes on from."""
        path = self.folder.teacher(name)
        if self._before is not None and not path.exists() and self._before.teacher(name).is_dir():
            if self.accelerator.is_main_process:
                with atomic_folder(path) as beside:
                    shutil.copytree(self._before.teacher(name), beside, dirs_exist_ok=True)
            self.accelerator.wait_for_everyone()
        return path


def digest_of_teacher(phase: SupernetPhase, splits: Splits) -> dict[str, str]:
    """``{sha256: ...}`` of the weights of the network of another kind that teaches in a phase.

    Raises:
        ConfigError: It is no network that tells these classes apart.
    """
    with random_states_kept(), _errors_of(phase):
        return {"sha256": weights_digest(create_teacher(TeacherConfig(name=phase.teacher), splits))}


@contextmanager
def _errors_of(phase: SupernetPhase) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"phases.{phase.name}.{error}") from error
