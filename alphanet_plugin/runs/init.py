"""A supernet that starts from weights which were trained before: `training.init`."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from ..errors import AlphaNetError, ConfigError
from ..nearest import path_hint
from ..supernet import Supernet
from ..training import latest_checkpoint, read_weights
from ..weights import load_supernet
from .run_folder import RunFolder
from .start import Start, start_of_supernet

_logger = logging.getLogger(__name__)
_CLASSIFIER = ("classifier.weight", "classifier.bias")


def start_from(supernet: Supernet, source: str) -> Start:
    """Give a supernet the weights of another of the same space; a classifier of other classes stays as it is.

    Args:
        supernet: Whose weights are replaced, in place.
        source: A run's folder, one of its checkpoints, or a supernet's folder that `alphanet import` wrote.

    Returns:
        What is known of them.

    Raises:
        ConfigError: There are no weights, they are damaged, or they are of another space.
    """
    weights = _read(Path(source).expanduser())
    own = supernet.state_dict()
    fresh = [name for name in _CLASSIFIER if name in weights and weights[name].shape != own[name].shape]
    if fresh:
        _logger.warning(
            "training.init: %s tells %d classes apart, this run %d; the classifier starts anew",
            source, len(weights[fresh[-1]]), len(own[fresh[-1]]),
        )  # fmt: skip
    taken = {name: tensor for name, tensor in weights.items() if name not in fresh}
    needed = own.keys() - fresh
    other = [name for name in needed if name not in taken or taken[name].shape != own[name].shape]
    if other or taken.keys() - needed:
        wrong = sorted([*other, *(taken.keys() - needed)])
        raise ConfigError(
            f"training.init: {source} holds a supernet of another space ({len(wrong)} weights differ, such as "
            f"{wrong[0]}); give weights of this run's space, or the space of those weights"
        )
    supernet.load_state_dict({**own, **taken})
    return start_of_supernet(source, len(weights[_CLASSIFIER[1]]))


def _read(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = path if (path / "run.json").is_file() else latest_checkpoint(RunFolder(path).checkpoints)
    try:
        return read_weights(checkpoint) if checkpoint else load_supernet(path).state_dict()
    except AlphaNetError as error:
        raise ConfigError(
            f"training.init: {error}{path_hint(path)}; give a run's folder, one of its checkpoints, or the folder that "
            "`alphanet import` names"
        ) from error
