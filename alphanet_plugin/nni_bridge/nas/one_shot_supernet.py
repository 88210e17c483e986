"""Any one-shot model space of NNI as a `Supernet`: NNI's hub, or a space of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import torch
from nni.mutable import Categorical
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedConv2d
from nni.nas.strategy import RandomOneShot
from numpy.typing import NDArray
from torch import nn

from ...spaces import Arch, SearchSpace
from ...spaces.gene import Gene
from ...supernet import Supernet


class LabelSpace(SearchSpace):
    """The labels of an NNI space as genes. An arch holds, label by label, the position of the chosen value.

    Positions are by size where values have one: numbers by value, layers by their number of parameters.

    Args:
        model: The model space, not mutated yet.

    Raises:
        ValueError: A label is not a choice of one among finitely many values.
    """

    name = "nni"

    def __init__(self, model: ModelSpace):
        self.choices: dict[str, list[Any]] = {}
        layers: dict[str, LayerChoice] = {
            str(module.label): module for module in model.modules() if isinstance(module, LayerChoice)
        }
        for label, mutable in model.simplify().items():
            if not isinstance(mutable, Categorical):
                raise ValueError(f"{label} is {mutable!r}; a supernet takes choices of one among finitely many values")
            self.choices[label] = sorted(mutable.values, key=_size(layers.get(label)))
        self.genes = tuple(
            Gene(name=label, field=label, index=None, choices=tuple(range(len(values))))
            for label, values in self.choices.items()
        )

    def sample_of(self, arch: Arch) -> dict[str, Any]:
        """NNI's sample of an arch."""
        return {label: values[arch[label]] for label, values in self.choices.items()}  # type: ignore[index]

    def arch_of(self, sample: Mapping[str, Any]) -> Arch:
        """The arch of an NNI sample."""
        return self.from_values(values.index(sample[label]) for label, values in self.choices.items())

    @property
    def presets(self) -> Mapping[str, Arch]:
        return {}

    def to_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def network(self, arch: Arch) -> NoReturn:
        raise NotImplementedError("an NNI space has no blueprint of ours")

    def cost(self, arch: Arch, num_classes: int = 1000) -> NoReturn:
        raise NotImplementedError("count an NNI space with NNI's FlopsParamsProfiler")

    def cost_batch(self, values: NDArray[np.integer], num_classes: int = 1000) -> NoReturn:
        raise NotImplementedError("count an NNI space with NNI's FlopsParamsProfiler")


def _size(layers: LayerChoice | None) -> Any:
    def of(value: Any) -> float:
        if layers is not None:
            return sum(parameter.numel() for parameter in layers[value].parameters())
        return float(value) if isinstance(value, (int, float)) else 0.0  # sorting keeps the order of what has no size

    return of


class FreezableConv2d(MixedConv2d):
    """NNI's mixed convolution, which cannot be frozen without a bias: it hands its missing bias on as None."""

    def freeze_weight(self, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        return {name: tensor for name, tensor in super().freeze_weight(*args, **kwargs).items() if tensor is not None}


class OneShotSupernet(Supernet):
    """An NNI model space made a supernet by NNI's own path sampling, with the interface of ours.

    Args:
        model: The model space; mutated in place.
    """

    def __init__(self, model: ModelSpace):
        super().__init__()
        if any(isinstance(module, BaseSuperNetModule) for module in model.modules()):
            raise ValueError("this model space is a supernet already; give a fresh one")
        self.space: LabelSpace = LabelSpace(model)
        self.model = RandomOneShot(mutation_hooks=[FreezableConv2d.mutate]).mutate_model(model)
        self._modules_to_set = [module for module in model.modules() if isinstance(module, BaseSuperNetModule)]
        self.activate(self.space.largest())

    def activate(self, arch: Arch, *, drop: bool = False) -> None:  # noqa: ARG002
        self.active = self.space.validate(arch)
        sample = self.space.sample_of(self.active)
        for module in self._modules_to_set:
            module.resample(memo=sample)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)

    def build_static(self, arch: Arch) -> NoReturn:
        raise NotImplementedError("NNI freezes a model space with its weights: use extract")

    @torch.no_grad()
    def extract(self, arch: Arch | None = None) -> nn.Module:
        sample = self.space.sample_of(self.active if arch is None else self.space.validate(arch))
        return self.model.freeze(sample).train(self.training)
