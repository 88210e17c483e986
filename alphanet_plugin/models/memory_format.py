"""The memory format that convolutions are quickest in."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def memory_format_of(device: torch.device) -> torch.memory_format:
    """channels_last, but on CUDA the ordinary one (contiguous, NCHW).

    cuDNN's depthwise convolutions of channels_last tensors made a supernet's step 7.7 times as long in float32 and 8.8
    times in bfloat16 (H200, torch 2.11, `benchmarks/gpu.py`; docs/performance.md).
    """
    return torch.contiguous_format if device.type == "cuda" else torch.channels_last


def to_memory_format(model: Model, device: torch.device) -> Model:
    """The model with its weights in the format of a device, and strides that gradients have too.

    A weight (O, I, 1, 1) or (C, 1, K, K) lies in the same order in both formats; only the strides of dimensions of one
    element differ. It keeps those of a fresh tensor: with others, DistributedDataParallel copies gradients and warns.
    """
    model.to(memory_format=memory_format_of(device))  # type: ignore[call-overload]
    for parameter in model.parameters():
        data: Any = parameter.data
        if data.dim() == 4 and data.is_contiguous():
            parameter.data = data.clone(memory_format=torch.contiguous_format)
    return model
