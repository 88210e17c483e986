"""Training a supernet, or one network, with Accelerate."""

from .checkpoints import Checkpoints, latest_checkpoint, list_checkpoints, read_state, read_weights
from .global_batch import GlobalBatch
from .log import JsonLinesLog
from .network_update import NetworkUpdate
from .optimizer import build_sgd
from .passes import Pass, add_gradients
from .supernet_update import SupernetUpdate
from .teacher import Teacher
from .teacher_logits import TeacherLogits, weights_digest
from .trainer import Trainer
from .update import Update

__all__ = [
    "Checkpoints", "GlobalBatch", "JsonLinesLog", "NetworkUpdate", "Pass", "SupernetUpdate", "Teacher",
    "TeacherLogits", "Trainer", "Update", "add_gradients", "build_sgd", "latest_checkpoint", "list_checkpoints",
    "read_state", "read_weights", "weights_digest",
]  # fmt: skip
