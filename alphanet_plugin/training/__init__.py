"""Training a supernet, or one network, with Accelerate."""

from .checkpoints import (
    Checkpoints,
    is_checkpoint,
    kept_batch,
    latest_checkpoint,
    list_checkpoints,
    read_state,
    read_weights,
    step_of,
)
from .global_batch import GlobalBatch
from .gradients import GradientComparison
from .log import JsonLinesLog
from .network_update import NetworkUpdate
from .optimizer import build_optimizer, build_sgd, timm_optimizer
from .passes import Pass, add_gradients
from .supernet_phase import FIRST, SupernetPhase
from .supernet_update import FixedTeacher, SupernetUpdate, Teachers
from .teacher import Teacher
from .teacher_logits import TeacherLogits, weights_digest
from .trainer import Trainer
from .update import Update, random_states_kept

__all__ = [
    "FIRST", "Checkpoints", "FixedTeacher", "GlobalBatch", "GradientComparison", "JsonLinesLog", "NetworkUpdate",
    "Pass", "SupernetPhase", "SupernetUpdate", "Teacher", "TeacherLogits", "Teachers", "Trainer", "Update",
    "add_gradients", "build_optimizer", "build_sgd", "is_checkpoint", "kept_batch", "latest_checkpoint",
    "list_checkpoints", "random_states_kept", "read_state", "read_weights", "step_of", "timm_optimizer",
    "weights_digest",
]  # fmt: skip
