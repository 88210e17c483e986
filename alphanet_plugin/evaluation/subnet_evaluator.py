"""Evaluate a subnet with its supernet's weights: in full, or roughly, on few images and without calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from ..data import LeadingImages, count_images
from ..models import memory_format_of
from ..spaces import Arch
from ..supernet import ElasticBatchNormAct2d
from .accuracy import Evaluator, Metrics, evaluate
from .calibration import recalibrate_bn
from .placement import Placement


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
        with quick_forwards(net):
            return recalibrate_bn(net, self.calibration_batches).eval()

    def __call__(self, arch: Arch) -> Metrics:
        net = self.subnet(arch)
        with quick_forwards(net):
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


@contextmanager
def quick_forwards(model: nn.Module) -> Iterator[None]:
    """Inside, on a CPU, layers of `model` compute the same in less time, but for rounding.

    A 1 x 1 convolution of one value a channel is a matrix product: oneDNN lays its weights out anew in every call,
    which then takes as long as the arithmetic (torch 2.15, AVX-512). BatchNorm and its activation are one, as in a
    supernet's training. Modules, weights and types stay what they are, and afterwards nothing is left.
    """
    quick = [(module, forward) for module in model.modules() if (forward := _quick_forward(module))]
    for module, forward in quick:
        module.forward = partial(forward, module)
    try:
        yield
    finally:
        for module, _ in quick:
            del module.forward


def _quick_forward(module: nn.Module) -> Callable[..., Tensor] | None:
    """For layers of torch's and timm's own classes, since others may compute something else, or have a forward."""
    if "forward" in vars(module):
        return None
    if type(module) is BatchNormAct2d:
        return ElasticBatchNormAct2d.forward
    if type(module) is nn.Conv2d:
        pointwise = module.kernel_size == module.stride == (1, 1) and module.groups == 1
        return _convolve if pointwise and module.padding in ((0, 0), "valid") else None
    return None


def _convolve(conv: nn.Conv2d, input: Tensor) -> Tensor:
    if input.ndim != 4 or input.shape[2:] != (1, 1) or input.device.type != "cpu":
        return conv._conv_forward(input, conv.weight, conv.bias)
    return F.linear(input.flatten(1), conv.weight.flatten(1), conv.bias)[:, :, None, None]


class QuickEvaluator(Evaluator):
    """A share of the image passes of a full evaluation, for telling candidates apart.

    All of them are evaluation images, whose BatchNorm goes by the statistics of their own batch, as in training. A pass
    then serves both ends, where few calibration images would make statistics so rough that they, and not the subnets,
    decide. Figures are worse than those of the full evaluation, at low resolutions the more so, and compare only with
    each other.

    Args:
        full: The evaluation that this is a share of; the batches are its first ones and are not copied.
        share: Of its image passes, above 0. Of several batches only whole ones are taken, and never more than there
            are: BatchNorm would treat a smaller one differently.
    """

    def __init__(self, full: SubnetEvaluator, share: float):
        self.supernet, self.device = full.supernet, full.device
        self.batches = LeadingImages(full.evaluation_batches, int(share * full.images_per_subnet + 1e-9))

    @property
    def images_per_subnet(self) -> int:
        """Image passes that a subnet takes."""
        return self.batches.count

    def __call__(self, arch: Arch) -> Metrics:
        net = self.supernet.extract(arch)
        net.to(self.device)
        net.to(memory_format=memory_format_of(Placement.of(net).device))  # pyright: ignore[reportCallIssue]
        for norm in net.modules():
            if isinstance(norm, _BatchNorm):
                norm.running_mean = norm.running_var = None  # torch then takes the batch's, in eval mode too
        with quick_forwards(net):
            return evaluate(net, self.batches)
