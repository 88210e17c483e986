"""Our search spaces as NNI's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import current_model
from nni.nas.strategy import DARTS, ENAS

from ...models import MobileNetwork, alphanet_subnet
from ...spaces import AttentiveNASSpace
from ...spaces.attentive_nas import RESOLUTIONS
from ...supernet import build_supernet, slice_weights
from . import profiling
from .elastic_module import ElasticModule
from .enas_loader import repair_enas
from .native_hooks import native_hooks
from .native_network import NativeNetwork
from .samples import arch_of


class ElasticSpace(ModelSpace):
    """The AttentiveNAS/AlphaNet space; labels are the names of its genes, resolution included.

    Both faces compute with the same weights under the same names, resize their input to the arch's resolution inside,
    and freeze into the static timm model of a sample.

    - ``fast``: one supermodule holds the whole elastic network, and an arch is set at once: for RandomOneShot, ENAS,
      this package's strategies, and all multi-trial ones, whose trials start from the shared weights.
    - ``native``: NNI's own mutable layers, for DARTS, GumbelDARTS and Proxyless, which mix them.

    Args:
        num_classes: Outputs of the classifier.
        resolutions: Candidates for the input's side in pixels.
        face: ``fast`` or ``native``.
        seed: Of the initial weights, and of what the fast face draws itself; None for torch's global generator, and
            another draw in every process.

    Shapes:
        images (B, 3, H, W) -> logits (B, num_classes).
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        sample = current_model()
        if sample is None:
            return super().__new__(cls)
        # Asked to stand for one sample (NNI rebuilds a serialised one so): the static model itself.
        return _static_model(sample, *args, **kwargs)

    def __init__(
        self,
        num_classes: int = 1000,
        resolutions: Sequence[int] = RESOLUTIONS,
        face: Literal["fast", "native"] = "fast",
        seed: int | None = None,
    ):
        super().__init__()
        if face not in ("fast", "native"):
            raise ValueError(f"face must be 'fast' or 'native', not {face!r}")
        self.num_classes = num_classes
        self.space = AttentiveNASSpace(tuple(resolutions))
        self.face = face
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.network = self._build(seed)

    def _build(self, seed: int | None) -> ElasticModule | NativeNetwork:
        if self.face == "native":
            return NativeNetwork(self.space, self.num_classes)
        supernet = build_supernet(self.space, num_classes=self.num_classes, resize_input=True)
        return cast(ElasticModule, ElasticModule(supernet, np.random.RandomState(seed)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)

    def freeze(self, sample: dict[str, Any]) -> MobileNetwork:
        """The static timm model of a sample, with slices of the shared weights where there are any.

        The native face has shared weights once a one-shot strategy has mutated it, and fresh ones before.
        """
        network: Any = self.network
        if isinstance(network, ElasticModule):
            return cast(MobileNetwork, network.freeze(sample))
        static = _static_model(sample, self.num_classes, self.space.resolutions)
        return slice_weights(static, network.shared_tensors()) if network.is_shared else static

    def extra_oneshot_hooks(self, strategy: Any) -> list[Callable[..., Any]]:
        """What NNI's one-shot strategies apply before their own hooks; ENAS is repaired on the way."""
        if isinstance(strategy, ENAS):
            repair_enas(strategy)
        if self.face == "native":
            return native_hooks(strategy)
        if isinstance(strategy, DARTS):  # GumbelDARTS and Proxyless are kinds of it
            raise TypeError(
                f"{type(strategy).__name__} mixes NNI's own layers: build the space with face='native', not 'fast'"
            )
        return [ElasticModule.mutate]


def _static_model(
    sample: dict[str, Any], num_classes: int = 1000, resolutions: Sequence[int] = RESOLUTIONS, *_: Any, **__: Any
) -> MobileNetwork:
    arch = arch_of(AttentiveNASSpace(tuple(resolutions)), sample)
    return alphanet_subnet(arch=arch, num_classes=num_classes, resize_input=True)


profiling.register()
