"""Latencies of networks as sums of their blocks' latencies, measured once on a device."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..atomic import write_text
from ..errors import SearchError
from ..models.read_arch import DEFAULT_SPACE, GivenSpace, read_space
from ..spaces import Arch
from .latency import forward_timer, machine_name, onnx_file, onnx_runtime, onnx_timer
from .network_parts import NetworkPart, network_parts, whole_network

if TYPE_CHECKING:
    from torch.utils.benchmark import Timer

PART_SECONDS = 0.05  # of measuring a part, all visits together
NETWORK_SECONDS = 0.25  # the same for a whole network
VISITS = 5
_FORMAT = "alphanet-latency-table-1"


@dataclass(frozen=True, kw_only=True)
class TableConditions:
    """What latencies depend on beside the network; prints as a phrase.

    Attributes:
        device: ``cpu``, ``cuda``, or ``onnx`` for onnxruntime on the CPU.
        batch: Images of a forward.
        num_classes: Outputs of the classifier.
        machine: Model of the processor or GPU.
        threads: Threads of torch, or of onnxruntime; None on a GPU.
        torch_version: As `torch.__version__` says.
        runtime: ``onnxruntime`` with its version, where that runs the networks.
    """

    device: str
    batch: int
    num_classes: int
    machine: str
    threads: int | None
    torch_version: str
    runtime: str | None = None

    @classmethod
    def here(cls, device: str, batch: int, num_classes: int) -> TableConditions:
        """Those of this process.

        Raises:
            SearchError: The device is cuda and torch finds no GPU, or onnx and onnxruntime is not installed.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise SearchError("latency on cuda: torch finds no GPU here; measure on cpu, or where there is a GPU")
        return cls(
            device=device,
            batch=batch,
            num_classes=num_classes,
            machine=machine_name(_torch_device(device)),
            threads=None if device == "cuda" else torch.get_num_threads(),
            torch_version=torch.__version__,
            runtime=onnx_runtime() if device == "onnx" else None,
        )

    def __str__(self) -> str:
        threads = "" if self.threads is None else f", {self.threads} threads"
        threads = ", CPU time of one thread" if self.threads == 1 else threads
        runtime = self.runtime or f"torch {self.torch_version}"
        return f"batch {self.batch}, {self.num_classes} classes on {self.machine}{threads}, {runtime}"


@dataclass(frozen=True, kw_only=True)
class TableError:
    """How far a table is from whole networks; prints as a sentence.

    Attributes:
        mean: Mean of abs(table / measured - 1).
        worst: The largest.
        subnets: How many whole networks were measured; none of them was fitted on.
    """

    mean: float
    worst: float
    subnets: int

    def __str__(self) -> str:
        return (
            f"latency table against whole networks: mean {100 * self.mean:.1f} %, worst {100 * self.worst:.1f} % "
            f"over {self.subnets} held-out subnets"
        )


class LatencyTable:
    """Median forward of networks of a space, in milliseconds, from those of their parts.

    Eval mode, float32, NCHW: eager, as `measure_latency` finds a static model, or by onnxruntime, which joins layers
    of a part but none across parts. A part (stem, each block by its input side and shapes, head) is measured when first
    asked for, and kept. A network takes ``scale * sum of its parts + offset``, which `fit` learns from a few whole
    networks: parts measured alone find their weights in the cache.
    The AttentiveNAS space has 896 parts at four resolutions, of which a search meets most; a tenth of a second each.

    Args:
        path: The table's JSON file, read if it is there and written after each measurement; None keeps nothing.
        conditions: Of this process, `TableConditions.here`.
        space: Of the archs.

    Raises:
        SearchError: The file is none of a latency table, or for another batch or number of classes.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, conditions: TableConditions, space: GivenSpace = DEFAULT_SPACE
    ):
        self.space = read_space(space)
        self.path = None if path is None else Path(path)
        self.here = self.conditions = conditions
        self.scale, self.offset_ms = 1.0, 0.0
        self.num_fitted = 0
        self.error: TableError | None = None
        self._parts: dict[str, float] = {}
        if self.path is not None and self.path.is_file():
            self._read(self.path)

    @property
    def measured_here(self) -> bool:
        """Whether the file was measured under the conditions of this process; only then can it grow."""
        return self.conditions == self.here

    def __len__(self) -> int:
        """Parts that are measured."""
        return len(self._parts)

    def latency_ms(self, arch: Arch) -> float:
        """Milliseconds of a forward of the arch's network at its resolution; measures what is missing.

        Raises:
            SearchError: A part is missing and the table is another machine's, or it cannot be written.
        """
        self.measure([arch])
        return self.scale * self._sum_ms(arch) + self.offset_ms

    def measure(self, archs: Iterable[Arch]) -> None:
        """Measure those parts of `archs` that are missing, by turns; see `interleaved_ms`."""
        parts = {part.name: part for arch in archs for part in self._parts_of(arch)}
        missing = [part for name, part in parts.items() if name not in self._parts]
        if missing:
            times = self._measure(missing, PART_SECONDS)
            self._parts.update(zip((part.name for part in missing), times, strict=True))
            self._write()

    def fit(self, archs: Sequence[Arch]) -> None:
        """Learn scale and offset from whole networks: least squares of the relative error.

        With fewer than three networks, or where noise would make the scale negative, the offset is 0.
        """
        self.measure(archs)
        wholes, sums = self.whole_ms(archs), np.asarray([self._sum_ms(arch) for arch in archs])
        rows = np.stack([sums / wholes, 1 / wholes], axis=1)
        self.scale, self.offset_ms = map(float, np.linalg.lstsq(rows, np.ones(len(archs)), rcond=None)[0])
        if len(archs) < 3 or self.scale <= 0:
            self.scale, self.offset_ms = float(rows[:, 0].sum() / (rows[:, 0] ** 2).sum()), 0.0
        self.num_fitted, self.error = len(archs), None
        self._write()

    def check(self, archs: Sequence[Arch]) -> TableError:
        """Compare with whole networks, which should be others than those it was fitted on; kept as `error`."""
        self.measure(archs)
        wholes = self.whole_ms(archs)
        errors = np.abs(np.asarray([self.latency_ms(arch) for arch in archs]) / wholes - 1)
        self.error = TableError(mean=float(errors.mean()), worst=float(errors.max()), subnets=len(archs))
        self._write()
        return self.error

    def whole_ms(self, archs: Sequence[Arch]) -> np.ndarray:
        """Whole networks' latencies (n,), measured by turns now; nothing is kept."""
        networks = [whole_network(self.space, arch, self.conditions.num_classes) for arch in archs]
        return np.asarray(self._measure(networks, NETWORK_SECONDS))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _sum_ms(self, arch: Arch) -> float:
        return sum(self._parts[part.name] for part in self._parts_of(arch))

    def _parts_of(self, arch: Arch) -> list[NetworkPart]:
        return network_parts(self.space, arch, self.conditions.num_classes)

    def _measure(self, parts: Sequence[NetworkPart], seconds: float) -> list[float]:
        if not self.measured_here:
            raise SearchError(
                f"latency table {self.path} lacks {parts[0].name} and was measured with {self.conditions}; here is "
                f"{self.here}: go on there, or delete the file to measure all anew here"
            )
        return interleaved_ms(parts, device=self.here.device, batch=self.here.batch, seconds=seconds)

    def _read(self, path: Path) -> None:
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if fields["format"] != _FORMAT:
                raise ValueError
            self.conditions = TableConditions(**fields["conditions"])
            self.scale, self.offset_ms = float(fields["scale"]), float(fields["offset_ms"])
            self.num_fitted = int(fields["num_fitted"])
            self.error = TableError(**fields["error"]) if fields["error"] else None
            self._parts = {name: float(value) for name, value in fields["parts_ms"].items()}
        except (OSError, LookupError, TypeError, ValueError, AttributeError):
            raise SearchError(f"{path} is no latency table; delete it to measure anew") from None
        for key in ("device", "batch", "num_classes"):
            found, wanted = getattr(self.conditions, key), getattr(self.here, key)
            if found != wanted:
                raise SearchError(f"latency table {path} has {key} {found}, not {wanted}; delete it to measure anew")

    def _write(self) -> None:
        if self.path is None:
            return
        fields: dict[str, Any] = {
            "format": _FORMAT,
            "conditions": asdict(self.conditions),
            "scale": self.scale,
            "offset_ms": self.offset_ms,
            "num_fitted": self.num_fitted,
            "error": asdict(self.error) if self.error else None,
            "parts_ms": self._parts,
        }
        try:
            write_text(self.path, json.dumps(fields, indent=1))
        except OSError as error:
            raise SearchError(f"latency table {self.path} cannot be written: {error.strerror}") from error


def interleaved_ms(
    parts: Sequence[NetworkPart], *, device: str, batch: int, seconds: float, visits: int = VISITS
) -> list[float]:
    """Median forward of each part in milliseconds, over visits by turns.

    Each visit builds the part anew (or reads its ONNX file anew) and takes the mean of as many forwards as fit into its
    share of `seconds`, so that what else the machine does falls on all parts alike, and what falls on one visit is
    outvoted. With one CPU thread the clock is that thread's own, which stands still while other processes have the
    core: the latency on an idle machine. Otherwise it is the wall clock.
    """
    alone = device != "cuda" and torch.get_num_threads() == 1
    options = {"timer": time.thread_time} if alone else {}
    timers = [_timer_of(part, device, batch, options) for part in parts]
    times: list[list[float]] = [[] for _ in parts]
    for _ in range(visits):
        for timer_anew, found in zip(timers, times, strict=True):
            with torch.inference_mode():
                timer = timer_anew()
                rough = max(timer.timeit(1).mean, 1e-6)
                number = max(1, min(1000, round(seconds / visits / rough)))
                found.append(timer.timeit(number).mean * 1e3)
    return [statistics.median(found) for found in times]


def _timer_of(part: NetworkPart, device: str, batch: int, options: Mapping[str, Any]) -> Callable[[], Timer]:
    """What makes a timer of a part's forwards anew."""
    if device == "onnx":
        file = onnx_file(part.build(_torch_device(device)), part.input_size, batch)
        return lambda: onnx_timer(file, part.input_size, batch, **options)
    return lambda: forward_timer(part.build(_torch_device(device)), part.input_size, batch, **options)


def _torch_device(device: str) -> torch.device:
    return torch.device("cpu" if device == "onnx" else device)
