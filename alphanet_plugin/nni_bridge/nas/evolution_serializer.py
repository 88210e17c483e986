"""RegularizedEvolution resumes: NNI saves its population as objects, which torch 2.6 and later refuse to read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nni.nas.utils.serializer import TorchSerializer, set_default_serializer


class ExperimentSerializer(TorchSerializer):
    """NNI's own, reading the experiment's own file as it was written."""

    def load(self, path: Path) -> Any:
        """What `save` wrote at `path`: only ever the checkpoint of one's own experiment, as reading it may run code."""
        return torch.load(path.with_name(path.name + self.suffix), weights_only=False)


def allow_evolution_to_resume() -> None:
    """Let NNI read its own checkpoints on torch 2.6 and later."""
    set_default_serializer(ExperimentSerializer())
