"""The memory format of what is trained."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def to_channels_last(model: Model) -> Model:
    """The model with its weights in channels_last, and strides that gradients have too.

    A weight (O, I, 1, 1) or (C, 1, K, K) lies in the same order in both formats; only the strides of dimensions of one
    element differ. It keeps those of a fresh tensor: with others, DistributedDataParallel copies gradients and warns.
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parameter in model.parameters():
        data: Any = parameter.data
        if data.dim() == 4 and data.is_contiguous():
            parameter.data = data.clone(memory_format=torch.contiguous_format)
    return model
