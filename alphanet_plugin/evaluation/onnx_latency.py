"""How long onnxruntime takes for a network, which is what is deployed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import SearchError, how_to_install

if TYPE_CHECKING:
    from torch.utils.benchmark import Timer


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
