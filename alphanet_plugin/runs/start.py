"""Which weights a training began from: kept in the run's folder, and told on the cards of what it publishes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from .. import store
from ..atomic import atomic_file, write_text
from ..config import NetworkConfig, RunConfig, read_config
from ..data import Splits
from ..errors import AlphaNetError, ConfigError
from ..nearest import path_hint
from ..supernet import Supernet
from ..training import is_checkpoint, latest_checkpoint, read_weights
from ..weights import load_supernet
from .run_folder import RunFolder

_logger = logging.getLogger(__name__)
_IMAGENET_CLASSES = 1000
_LONGEST = 400  # characters of a file that is shown
_OTHER_SIZE = 2  # times; images of another kind, where nothing else tells


@dataclass(frozen=True, kw_only=True)
class Start:
    """Weights that were trained before, as far as is known of their images.

    Attributes:
        name: As timm calls them, such as ``alphanet_a0.digits``, or where they lie.
        dataset: Name of their data set; empty if it is not recorded.
        classes: How many classes they tell apart; None if it is not recorded.
        class_names: Of these; empty if they are not recorded.
        side: Of their images in pixels; None if it is not recorded.
        general: Whether any images are learnt from them: trained on ImageNet, or timm's own.
    """

    name: str
    dataset: str = ""
    classes: int | None = None
    class_names: Sequence[str] = ()
    side: int | None = None
    general: bool = False

    @property
    def trained_on(self) -> str:
        """Such as ``digits, 10 classes, images of 24 pixels``."""
        parts = [
            self.dataset,
            f"{self.classes} classes" if self.classes else "",
            f"images of {self.side} pixels" if self.side else "",
        ]
        return ", ".join(part for part in parts if part) or "of its images nothing is recorded"

    def is_of_another_kind(self, splits: Splits) -> bool:
        """Whether these weights know other images than `splits`: another data set, and not ImageNet."""
        if self.general:
            return False
        if self.dataset:
            same_names = not self.class_names or list(self.class_names) == list(splits.class_names)
            return self.dataset != splits.name or not same_names
        return self.side is not None and not 1 / _OTHER_SIZE < self.side / splits.image_size < _OTHER_SIZE

    def describe(self, splits: Splits) -> str:
        """For the card of what was trained on `splits`."""
        other = f"; other images than those of {_told(splits)}" if self.is_of_another_kind(splits) else ""
        return f"{self.name} ({self.trained_on}{other})"


def start_of_network(network: NetworkConfig, model: nn.Module) -> Start | None:
    """The weights that a network was built with; None for random ones."""
    if not network.pretrained:
        return None
    if isinstance(network.pretrained, str) and Path(network.pretrained).expanduser().is_file():
        return Start(name=network.pretrained)
    cfg = cast(Mapping[str, Any], model.pretrained_cfg)
    tag = str(cfg.get("tag") or "")
    config = _config_beside(cfg.get("file"))
    given = network.pretrained if isinstance(network.pretrained, str) else network.name
    by_path = Path(given).expanduser().is_dir() or ":" in given
    size = cfg.get("input_size")
    return Start(
        name=given if by_path else f"{cfg['architecture']}.{tag}" if tag else cfg["architecture"],
        dataset=_dataset(config),
        classes=cfg.get("num_classes"),
        class_names=cfg.get("label_names") or (),
        side=size[-1] if size else None,
        general=not config or store.is_imagenet(tag, config),
    )


def start_of_supernet(source: str, num_classes: int) -> Start:
    """The weights of `training.init`: of a run, one of its checkpoints, or a supernet's folder.

    Args:
        source: As configured.
        num_classes: What these weights tell apart.
    """
    path = Path(source).expanduser().resolve()
    run = path.parents[1] if is_checkpoint(path) else path
    if latest_checkpoint(RunFolder(run).checkpoints) is None:
        return Start(name=source, classes=num_classes, general=num_classes == _IMAGENET_CLASSES)
    try:
        data = read_config(RunConfig, RunFolder(run).config).data
    except AlphaNetError:
        return Start(name=source, classes=num_classes)
    return Start(name=source, dataset=data.name, classes=num_classes, side=data.image_size)


def check_start(network: NetworkConfig, start: Start | None, splits: Splits) -> None:
    """Warn where a network begins from weights that know other images than `splits`.

    Raises:
        ConfigError: And the configuration does not say which weights: by a plain name, the newest were taken.
    """
    if start is None or not start.is_of_another_kind(splits):
        return
    plain = network.pretrained is True and "." not in network.name and ":" not in network.name
    if plain and not Path(network.name).is_dir():
        tags = [entry.name for entry in store.list_published() if entry.architecture == network.name]
        raise ConfigError(
            f"model.name: {network.name} alone means {start.name} here ({start.trained_on}), weights for other images "
            f"than those of {_told(splits)}; name the tag to begin from such weights on purpose "
            f"({', '.join(tags or [start.name])}), or set model.pretrained=false for random ones"
        )
    warn_of_start(start, splits)


def warn_of_start(start: Start, splits: Splits) -> None:
    """Say so where weights know other images than `splits`."""
    if start.is_of_another_kind(splits):
        _logger.warning("training begins from %s", start.describe(splits))


def keep_start(start: Start | None, splits: Splits, folder: RunFolder) -> None:
    """Write down in the run's folder what its training begins from."""
    if start is None:
        folder.start.unlink(missing_ok=True)
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    write_text(folder.start, f"{start.describe(splits)}\n")


def pass_start_on(checkpoint: Path, folder: RunFolder) -> None:
    """A run that goes on from another's checkpoint began where that one did."""
    source = RunFolder(checkpoint.resolve().parents[1])
    if source.start.is_file() and source.path != folder.path.resolve():
        folder.path.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder.start) as beside:
            beside.write_bytes(source.start.read_bytes())


def kept_start(folder: RunFolder, otherwise: str = "") -> str:
    """What the run's training began from, in words; empty for random weights.

    Args:
        folder: The run's.
        otherwise: What is known of it where an earlier version began the run.
    """
    try:
        text = folder.start.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return otherwise
    return " ".join(text.split())[:_LONGEST] or otherwise


def _told(splits: Splits) -> str:
    return f"{splits.name} ({splits.num_classes} classes, images of {splits.image_size} pixels)"


def _config_beside(file: Any) -> Mapping[str, Any]:
    """The ``config.json`` of a published folder, which timm names by the folder or by its weights."""
    if not file:
        return {}
    folder = Path(file) if Path(file).is_dir() else Path(file).parent
    try:
        return store.read_published(folder).config
    except (OSError, ValueError):
        return {}


def _dataset(config: Mapping[str, Any]) -> str:
    training = config.get("training")
    return str(training.get("dataset", "")) if isinstance(training, Mapping) else ""


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
    checkpoint = path if is_checkpoint(path) else latest_checkpoint(RunFolder(path).checkpoints)
    try:
        return read_weights(checkpoint) if checkpoint else load_supernet(path).state_dict()
    except AlphaNetError as error:
        raise ConfigError(
            f"training.init: {error}{path_hint(path)}; give a run's folder, one of its checkpoints, or the folder that "
            "`alphanet import` names"
        ) from error
