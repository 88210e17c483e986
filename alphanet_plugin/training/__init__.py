"""Training a supernet with Accelerate."""

from .checkpoints import Checkpoints, latest_checkpoint, list_checkpoints, read_state, read_weights
from .log import JsonLinesLog
from .optimizer import build_sgd
from .trainer import Trainer
from .update import SupernetUpdate

__all__ = [
    "Checkpoints", "JsonLinesLog", "SupernetUpdate", "Trainer", "build_sgd", "latest_checkpoint", "list_checkpoints",
    "read_state", "read_weights",
]  # fmt: skip
