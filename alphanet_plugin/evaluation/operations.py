"""Operations and parameters of a network as fvcore counts them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .placement import Placement, modes_kept


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What fvcore counts in one forward of one image.

    Attributes:
        by_kind: fvcore's name of an operator, such as ``conv`` -> operations.
        params: Parameters.
    """

    by_kind: Mapping[str, int]
    params: int

    @property
    def multiply_adds(self) -> int:
        """Those of convolutions and linear layers, SE's and the shortcuts' too: what the papers and a space count."""
        return sum(self.by_kind.get(kind, 0) for kind in ("conv", "linear"))

    @property
    def others(self) -> Mapping[str, int]:
        """What fvcore counts beside them: BatchNorm at two operations a value, global pooling at one a value read.

        It counts neither SE's mean and gate, nor activations, nor the shortcuts' average pooling and addition.
        """
        return {kind: count for kind, count in self.by_kind.items() if kind not in ("conv", "linear") and count}


def count_operations(model: nn.Module, input_size: Sequence[int]) -> Operations:
    """Count one forward of `model` in eval mode on one image of `input_size` (C, H, W), with fvcore."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".torch.jit")  # fvcore traces the network, which torch deprecates
        from fvcore.nn import FlopCountAnalysis, parameter_count

        image = Placement.of(model).put(torch.zeros(1, *input_size))
        with modes_kept(model):
            analysis = FlopCountAnalysis(model.eval(), image)
            by_kind = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
        return Operations(by_kind={kind: int(n) for kind, n in by_kind.items()}, params=parameter_count(model)[""])
