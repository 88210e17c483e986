"""What every supernet answers, and what activating an arch sets in its layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from timm.layers import DropPath
from torch import nn

from ..models import build_static
from ..spaces import Arch, BlockSpec, NetworkSpec, SearchSpace
from .layers import KernelTransformConv2d


class Knobs:
    """Layers of a module whose attribute follows a field of a blueprint, found once: looking them up takes long.

    Args:
        module: The module.
        table: Rows of (layer's name, its attribute, field of the blueprint); what the module does not have is left out.
    """

    def __init__(self, module: nn.Module, table: Iterable[tuple[str, str, str]]):
        layers = dict(module.named_modules())
        self.settings = [(layers[name], *knob) for name, *knob in table if hasattr(layers.get(name), knob[0])]

    def follow(self, spec: NetworkSpec | BlockSpec) -> None:
        """Set the attributes as the blueprint says."""
        for layer, attribute, field in self.settings:
            object.__setattr__(layer, attribute, getattr(spec, field))  # nn.Module's own takes ten times as long


class DropKnobs:
    """Dropout before the classifier and stochastic depth of a network, at the rates it was built with or off.

    Args:
        network: A timm model with a ``drop_rate``.
    """

    def __init__(self, network: nn.Module):
        paths = [module for module in network.modules() if isinstance(module, DropPath)]
        self.settings = [
            (network, "drop_rate", network.drop_rate),
            *((path, "drop_prob", path.drop_prob) for path in paths),
        ]

    def follow(self, drop: bool) -> None:
        """Let them act in training, or not."""
        for module, attribute, rate in self.settings:
            object.__setattr__(module, attribute, rate if drop else 0.0)


class Supernet(nn.Module):
    """The largest static model of a space, made elastic: one set of weights for every arch.

    Its state dict has the static model's names, plus the few shortcut kernels that only smaller archs need and the
    matrices of a kernel transform. In training BatchNorm uses batch statistics and keeps none; `extract` an arch and
    recalibrate it before evaluating.

    Attributes:
        space: The search space.
        active: The arch that the next forward computes; the largest at first.
    """

    space: SearchSpace
    active: Arch
    resolution: int

    @abstractmethod
    def activate(self, arch: Arch, *, drop: bool = False) -> None:
        """Choose what the next forward computes.

        Args:
            arch: An arch of the space; ValueError names the gene that is not.
            drop: Let dropout and stochastic depth act in training, which by the papers is for the largest arch only.
        """

    def resize(self, x: torch.Tensor) -> torch.Tensor:
        """As the static model does, whose result for images of the active arch's resolution is the images."""
        if x.shape[-2:] == (self.resolution, self.resolution):
            return x
        return super().resize(x.contiguous())  # type: ignore[misc] # of channels_last in 1.7 times as long

    def build_static(self, arch: Arch) -> nn.Module:
        """The static timm model of an arch, on the meta device."""
        options = {name: getattr(self, name) for name in ("num_classes", "resize_input")}
        return build_static(self.space, arch, **options, device="meta")

    @torch.no_grad()
    def extract(self, arch: Arch | None = None) -> nn.Module:
        """The static timm model of an arch (by default the active one) with copies of the weights it uses."""
        subnet = self.build_static(self.active if arch is None else self.space.validate(arch))
        shared = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        static = dict(subnet.named_parameters())
        for name, layer in self.named_modules():
            if f"{name}.weight" in static and isinstance(layer, KernelTransformConv2d):
                shared[f"{name}.weight"] = layer.static_weight(static[f"{name}.weight"])
        return slice_weights(subnet, shared).train(self.training)


Static = TypeVar("Static", bound=nn.Module)


@torch.no_grad()
def slice_weights(subnet: Static, shared: Mapping[str, torch.Tensor]) -> Static:
    """Give a static model copies of the slices that it takes of shared tensors of the same names.

    Args:
        subnet: On any device, the meta device included; changed in place.
        shared: Parameters and buffers, each at least as large as the subnet's.
    """
    for prefix, module in subnet.named_modules():
        prefix = f"{prefix}." if prefix else ""
        for key, like in module._parameters.items():
            if like is not None:
                module._parameters[key] = nn.Parameter(_slice(shared[prefix + key], like.shape))
        for key, like in module._buffers.items():
            if like is not None:
                module._buffers[key] = _slice(shared[prefix + key], like.shape)
    return subnet


def _slice(tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A copy of the leading channels, and of the centre of a kernel, that a tensor of this shape takes."""
    assert tensor.ndim == len(shape)
    for dim, size in enumerate(shape):
        start = (tensor.shape[dim] - size) // 2 if dim >= 2 else 0
        tensor = tensor.narrow(dim, start, size)
    return tensor.clone(memory_format=torch.contiguous_format)
