"""What activating an arch sets in the layers of a module."""

from __future__ import annotations

from collections.abc import Iterable

from timm.layers import DropPath
from torch import nn

from ..spaces import BlockSpec, NetworkSpec


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
