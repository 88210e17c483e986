"""Where a model's tensors live, and its train and eval flags, put back after use."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Placement(NamedTuple):
    """Device and floating-point type of a model; those of a model without tensors are the CPU and float32."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(cls, model: nn.Module) -> "Placement":
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.is_floating_point():
                return cls(tensor.device, tensor.dtype)
        return cls(torch.device("cpu"), torch.float32)

    def put(self, images: Tensor) -> Tensor:
        images = images.to(self.device, self.dtype, non_blocking=True)
        return images.contiguous() if self.device.type == "cuda" else images  # see `memory_format_of`


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Whatever happens inside, every module of `model` is in the mode it was in before."""
    kept = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in kept:
            module.training = training  # not train(), which would go down into the children
