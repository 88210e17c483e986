"""What activating an arch sets in the layers of a module."""

from __future__ import annotations

from collections.abc import Iterable

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
