"""How long a forward takes on this machine, by torch or by onnxruntime, which is what is deployed."""

from __future__ import annotations

import io
import platform
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import SearchError, how_to_install
from .placement import Placement, modes_kept

if TYPE_CHECKING:
    from torch.utils.benchmark import Timer


@dataclass(frozen=True, kw_only=True)
class Latency:
    """A measured forward, with what it depends on; prints as a sentence.

    Attributes:
        median_ms: Median of the repetitions, in milliseconds.
        batch: Images of a forward.
        input_size: (C, H, W) of an image.
        machine: Model of the processor or GPU.
        threads: Threads of torch; None on a GPU.
        dtype: Floating-point type, such as ``float32``.
        torch_version: As `torch.__version__` says.
    """

    median_ms: float
    batch: int
    input_size: tuple[int, ...]
    machine: str
    threads: int | None
    dtype: str
    torch_version: str

    def __str__(self) -> str:
        threads = "" if self.threads is None else f", {self.threads} thread(s)"
        return (
            f"{self.median_ms:.2f} ms median for {self.batch} image(s) of {self.input_size[-1]} pixels on "
            f"{self.machine}{threads}, eager {self.dtype}, torch {self.torch_version}"
        )


def measure_latency(
    model: nn.Module, input_size: Sequence[int], *, batch: int = 1, min_seconds: float = 2.0
) -> Latency:
    """Median forward of `model` in eval mode, where it is and in its floating-point type.

    Args:
        model: images (batch, C, H, W) -> logits. Modes are put back afterwards.
        input_size: (C, H, W) of an image.
        batch: Images of a forward.
        min_seconds: Measure for at least so long.
    """
    with modes_kept(model), torch.inference_mode():
        timer = forward_timer(model, input_size, batch)
        median = timer.blocked_autorange(min_run_time=min_seconds).median
    placement = Placement.of(model)
    return Latency(
        median_ms=median * 1e3,
        batch=batch,
        input_size=tuple(input_size),
        machine=machine_name(placement.device),
        threads=torch.get_num_threads() if placement.device.type == "cpu" else None,
        dtype=str(placement.dtype).removeprefix("torch."),
        torch_version=torch.__version__,
    )


def forward_timer(model: nn.Module, input_size: Sequence[int], batch: int, **options: Any) -> Timer:
    """Times forwards of `model`, left in eval mode, on random images; waits for a GPU. Use it in inference mode.

    Args:
        model: images (batch, C, H, W) -> anything.
        input_size: (C, H, W) of an image.
        batch: Images of a forward.
        options: Of `torch.utils.benchmark.Timer`.
    """
    from torch.utils.benchmark import Timer  # which looks for a compiler, and says so

    images = Placement.of(model).put(torch.randn(batch, *input_size, generator=torch.Generator().manual_seed(0)))
    subject = {"model": model.eval(), "images": images}
    return Timer("model(images)", globals=subject, num_threads=torch.get_num_threads(), **options)


def machine_name(device: torch.device) -> str:
    """The model of the processor or GPU, never the name of the computer."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine() or "an unnamed CPU"


def onnx_runtime() -> str:
    """onnxruntime and its version.

    Raises:
        SearchError: It is not installed, or onnx is not, by which networks are written.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        install = how_to_install("onnx", "onnxruntime", extra="export")
        raise SearchError(f"latency of ONNX files needs onnx and onnxruntime: {install}") from error
    return f"onnxruntime {onnxruntime.__version__}"


def onnx_file(model: nn.Module, input_size: Sequence[int], batch: int) -> bytes:
    """An ONNX file of a model on the CPU in eval mode, for images (batch, C, H, W).

    By torch's exporter of traced models, a second a network where that of programs takes ten; onnxruntime folds
    BatchNorm into convolutions itself.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls itself deprecated
        images = torch.zeros(batch, *input_size)
        torch.onnx.export(model, (images,), file, input_names=["images"], dynamo=False)  # pyright: ignore[reportArgumentType]
    return file.getvalue()


def onnx_timer(file: bytes, input_size: Sequence[int], batch: int, **options: Any) -> Timer:
    """As `forward_timer`, of an ONNX file by onnxruntime on the CPU, with as many threads as torch has."""
    import onnxruntime
    from torch.utils.benchmark import Timer

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
    images = torch.randn(batch, *input_size, generator=torch.Generator().manual_seed(0)).numpy()
    subject = {"session": session, "given": {"images": images}}
    return Timer("session.run(None, given)", globals=subject, num_threads=torch.get_num_threads(), **options)
