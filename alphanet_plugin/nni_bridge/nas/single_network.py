"""One static network where the trainer expects a supernet."""

from __future__ import annotations

from copy import deepcopy
from typing import NoReturn

import torch
from torch import nn

from ...samplers import Sampler
from ...spaces import Arch
from ...supernet import Supernet


class SingleNetwork(Supernet):
    """A network of one arch: itself.

    Args:
        model: images (B, C, H, W) -> logits (B, K).
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.active = Arch({"network": 0})

    def activate(self, arch: Arch, *, drop: bool = False) -> None:
        """Nothing to choose."""

    def build_static(self, arch: Arch) -> NoReturn:
        raise NotImplementedError("this is the static network already")

    def extract(self, arch: Arch | None = None) -> nn.Module:  # noqa: ARG002
        return deepcopy(self.model)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class SingleSampler(Sampler):
    """The same arch in every step, trained on the labels."""

    def __init__(self, arch: Arch):
        self.arch = arch

    def archs(self, step: int) -> list[Arch]:  # noqa: ARG002
        return [self.arch]
