"""Accelerate as a run uses it: what its launcher was told, precision, accumulation, trackers."""

from __future__ import annotations

import logging
import os
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState, GradientState, PartialState, is_initialized

from ..config import LoopConfig, RunConfig, flat, to_dict
from ..errors import ConfigError, how_to_install
from ..evaluation import machine_name

_logger = logging.getLogger(__name__)
_PRECISIONS = ("no", "bf16", "fp16")
_RUN_NAMES = {
    "wandb": "name",
    "mlflow": "run_name",
    "trackio": "name",
    "swanlab": "experiment_name",
    "clearml": "task_name",
}
_EXTRAS = {"tensorboard": "tensorboard"}  # trackers that an extra of this package installs

Loop = TypeVar("Loop", bound=LoopConfig)


def with_launch_flags(training: Loop) -> Loop:
    """`training` with what `accelerate launch` was told where the configuration leaves it open.

    Where the two differ the configuration's value holds, and a warning names both.

    Raises:
        ConfigError: The launcher was told a precision that runs here do not have.
    """
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if training.mixed_precision is None and launched not in _PRECISIONS:
        raise ConfigError(
            f"`accelerate launch` says mixed precision {launched}; runs take one of {', '.join(_PRECISIONS)}: "
            "launch with --mixed_precision, or set training.mixed_precision"
        )
    if training.mixed_precision not in (None, launched) and launched != "no":
        _logger.warning(
            "training.mixed_precision=%s holds, though `accelerate launch` says %s", training.mixed_precision, launched
        )
    accumulate = int(os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1"))
    if accumulate > 1 and training.accumulate not in (None, accumulate):
        _logger.warning(
            "training.accumulate=%d holds, though `accelerate launch` says %d", training.accumulate, accumulate
        )
    return replace(
        training,
        mixed_precision=training.mixed_precision or launched,
        accumulate=training.accumulate or max(1, accumulate),
    )


def open_accelerator(training: LoopConfig, output: str, *, ddp: DistributedDataParallelKwargs | None) -> Accelerator:
    """Accelerate's, with a run's precision and tracker, both as `with_launch_flags` gives them.

    Raises:
        ConfigError: Accelerate refuses one of the two, the tracker's package is not installed, or the ranks that were
            started do not find together.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    accelerator = _open(
        training.tracker,
        mixed_precision=training.mixed_precision,
        project_dir=output,
        kwargs_handlers=[ddp] if ddp else None,
        # Accelerate leaves the ranks of a plain torchrun apart where there is no GPU, each training by itself.
        cpu=ranks > 1 and not torch.cuda.is_available() and not torch.xpu.is_available(),
    )
    if accelerator.num_processes != ranks:
        raise ConfigError(
            f"the launcher started {ranks} processes, but each would train by itself here; use `accelerate launch "
            f"--num_processes {ranks}`, with --cpu on a machine without GPUs"
        )
    return accelerator


def _open(tracker: str | None, **options: Any) -> Accelerator:
    """Accelerate's.

    Raises:
        ConfigError: Accelerate refuses the tracker or the precision, or only leaves the tracker out, as it does with
            one that is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`log_with=")
            accelerator = Accelerator(log_with=tracker, **options)
    except ValueError as error:
        keys = "training.tracker or training.mixed_precision" if "mixed_precision" in options else "training.tracker"
        raise ConfigError(f"{keys}: {error}") from error
    if tracker and not accelerator.log_with:
        raise ConfigError(f"training.tracker: {tracker} is not installed; {_how_to_install(tracker)}")
    return accelerator


def forget_accelerator() -> None:
    """Let the next `open_accelerator` of this process start afresh, with another mixed precision for one."""
    AcceleratorState._reset_state(reset_partial_state=True)  # Accelerate offers no other way
    GradientState._reset_state()


def is_main_rank() -> bool:
    """Whether this process is the first of its launch."""
    return PartialState().is_main_process


def describe_machine() -> dict[str, Any]:
    """What runs are made on: processor or GPU, cores, device, torch's version, threads and ranks, architecture."""
    state = PartialState()
    return {
        "processor": machine_name(torch.device(str(state.device))),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "ranks": state.num_processes,
        "machine": platform.machine(),
        "device": str(state.device),
    }


def init_trackers(accelerator: Accelerator, config: Any, name: str | None = None) -> None:
    """Begin the tracker's run, with the whole configuration, keys dotted, and `name` or else the run's folder's."""
    tracker = config.training.tracker
    if not tracker:
        return
    named = {tracker: {_RUN_NAMES[tracker]: name or config.output}} if tracker in _RUN_NAMES else {}
    # Numbers, booleans and text are what every tracker takes.
    values = {
        key: one if isinstance(one, (int, float, str)) else str(one) for key, one in flat(to_dict(config)).items()
    }
    accelerator.init_trackers("alphanet", config=values, init_kwargs=named)


def _how_to_install(tracker: str) -> str:
    if tracker in _EXTRAS:
        return how_to_install(tracker, extra=_EXTRAS[tracker])
    return f"install its package, such as pip install {tracker}" if find_spec(tracker) is None else "its package fails"


Track = Callable[[Mapping[str, float], int | None], None]
"""Given figures by name, and the step that they are of or None."""


@contextmanager
def tracked(config: RunConfig, part: str) -> Iterator[Track]:
    """Give what hands figures to the tracker of a run's configuration, ``PART/NAME`` each; it may be none.

    Args:
        config: The run's; what the tracker calls its own run is the run's folder and the part.
        part: What is measured: search, publish, evaluate.

    Raises:
        ConfigError: The tracker's package is not installed.
    """
    if config.training.tracker is None:
        yield lambda figures, step: None  # noqa: ARG005
        return
    is_first = not is_initialized()
    # for its tracker alone: precision and ranks stay as they are in this process
    accelerator = _open(config.training.tracker, project_dir=config.output)
    init_trackers(accelerator, config, f"{config.output} {part}")
    try:
        yield lambda figures, step: accelerator.log({f"{part}/{name}": figures[name] for name in figures}, step=step)
    finally:
        accelerator.end_training()
        if is_first:
            forget_accelerator()
