"""The fast face: one supermodule that holds the whole elastic network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import nni
import numpy as np
import torch
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.profiler.pytorch.utils import ShapeTensor
from torch import nn

from ...spaces import SearchSpace
from ...supernet import Supernet
from .samples import arch_of, open_genes


class ElasticModule(BaseSuperNetModule):
    """A `Supernet` as one module of an NNI model space, its genes as NNI's choices.

    NNI's own mixed operations are resampled one by one, a hundred of them and more; this one sets the arch at once.

    Args:
        supernet: Resizes its input to the arch's resolution inside.
        random_state: Draws what a memo leaves open; NNI's own sampling heeds no global seed.

    Shapes:
        images (B, C, H, W) -> logits (B, num_classes) of the arch that was last sampled; the smallest at first.
    """

    def __init__(self, supernet: Supernet, random_state: np.random.RandomState):
        super().__init__()
        self.supernet = supernet
        self.random_state = random_state
        for gene in open_genes(supernet.space):
            self.add_mutable(nni.choice(gene.name, list(gene.choices)))
        supernet.activate(supernet.space.smallest())

    @property
    def space(self) -> SearchSpace:
        return self.supernet.space

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(x, ShapeTensor):  # NNI's profilers ask for shapes alone
            return ShapeTensor(x.elem.new_empty(len(x.elem), self.num_classes))
        return self.supernet(x)

    @property
    def num_classes(self) -> int:
        return cast(int, self.supernet.num_classes)

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Take the labels that `memo` has, draw the others uniformly, and activate the arch."""
        sample = self.complete(memo)
        self.supernet.activate(arch_of(self.space, sample))
        return sample

    def complete(self, memo: Mapping[str, Any]) -> dict[str, Any]:
        """A value for every label: the memo's, or one drawn uniformly."""
        return {
            gene.name: memo[gene.name]
            if gene.name in memo
            else gene.choices[self.random_state.randint(len(gene.choices))]
            for gene in open_genes(self.space)
        }

    def export(self, memo: dict[str, Any]) -> dict[str, Any]:
        """As `resample`, but the active arch stays; one-shot sampling has no favourite of its own."""
        return self.complete(memo)

    def export_probs(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Uniform over the candidates of each gene."""
        return {
            gene.name: dict.fromkeys(gene.choices, 1 / len(gene.choices))
            for gene in open_genes(self.space)
            if gene.name not in memo
        }

    def freeze(self, sample: dict[str, Any]) -> nn.Module:
        """The static timm model of a sample, with copies of the weights."""
        return self.supernet.extract(arch_of(self.space, sample))

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any], mutate_kwargs: dict[str, Any]) -> bool:  # noqa: ARG003
        """A mutation hook: such a module is a supermodule already, and no other hook may look into it."""
        return isinstance(module, (cls, Supernet))
