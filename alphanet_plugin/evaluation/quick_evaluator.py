"""Evaluate a subnet roughly, on few images and without calibration."""

from __future__ import annotations

from torch.nn.modules.batchnorm import _BatchNorm

from ..data import LeadingImages
from ..models import memory_format_of
from ..spaces import Arch
from .accuracy import evaluate
from .evaluator import Evaluator, Metrics
from .placement import Placement
from .pointwise import pointwise_as_matmul
from .subnet_evaluator import SubnetEvaluator


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
        with pointwise_as_matmul(net):
            return evaluate(net, self.batches)
