"""Evaluate a subnet with its supernet's weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Protocol

import torch
from torch import Tensor, nn

from ..data import count_images
from ..models import memory_format_of
from ..spaces import Arch
from .accuracy import evaluate
from .calibration import recalibrate_bn
from .evaluator import Evaluator, Metrics
from .placement import Placement
from .pointwise import pointwise_as_matmul


class Extracts(Protocol):
    """A supernet, as far as evaluation goes."""

    def extract(self, arch: Arch) -> nn.Module:
        """The static network of `arch` with weights of its own."""
        ...


class SubnetEvaluator(Evaluator):
    """Extract, recalibrate BatchNorm on training images, evaluate. The supernet stays as it is.

    Args:
        supernet: where weights come from.
        calibration_batches: batches of training images for BatchNorm, as `recalibrate_bn` takes them.
        evaluation_batches: (images, labels), held out of training; in a search, not the test images.
        device: where subnets run; by default where the supernet's weights are.

    Both kinds of batches are gone through once for each arch: lists (`data.cached_batches`) or loaders.
    """

    def __init__(
        self,
        supernet: Extracts,
        calibration_batches: Iterable[Tensor | Sequence[Tensor]],
        evaluation_batches: Iterable[Sequence[Tensor]],
        device: torch.device | str | None = None,
    ) -> None:
        self.supernet = supernet
        self.calibration_batches = _reusable("calibration_batches", calibration_batches)
        self.evaluation_batches = _reusable("evaluation_batches", evaluation_batches)
        self.device = device

    def subnet(self, arch: Arch) -> nn.Module:
        """The network of `arch`, recalibrated and in eval mode."""
        net = self.supernet.extract(arch)
        if self.device is not None:
            net.to(self.device)
        net.to(memory_format=memory_format_of(Placement.of(net).device))  # pyright: ignore[reportCallIssue]
        with pointwise_as_matmul(net):
            return recalibrate_bn(net, self.calibration_batches).eval()

    def __call__(self, arch: Arch) -> Metrics:
        net = self.subnet(arch)
        with pointwise_as_matmul(net):
            return evaluate(net, self.evaluation_batches)

    @property
    def images_per_subnet(self) -> int:
        """Image passes that a subnet takes, for BatchNorm and for accuracy."""
        return count_images(self.calibration_batches) + count_images(self.evaluation_batches)


def _reusable(name: str, batches: Iterable) -> Iterable:
    if isinstance(batches, Iterator):
        raise ValueError(f"{name} is an iterator and would be spent after one arch; give a list or a loader")
    if isinstance(batches, Sized) and len(batches) == 0:
        raise ValueError(f"{name} is empty; give at least one batch")
    return batches
