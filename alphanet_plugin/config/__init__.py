"""Run configurations: frozen dataclasses, read from YAML and written back."""

from .loop import LoopConfig
from .network import NetworkConfig, NetworkRunConfig, NetworkTrainingConfig, TeacherConfig
from .reading import differences, from_dict, read_config, read_mapping, to_dict, to_yaml
from .schema import (
    AdaptiveAlphaConfig,
    AlphaConfig,
    AttentiveConfig,
    DataConfig,
    EvaluationConfig,
    KDConfig,
    KLConfig,
    NoKDConfig,
    PublishConfig,
    ReverseKLConfig,
    RunConfig,
    SandwichConfig,
    SearchConfig,
    SpaceConfig,
    SymmetricKLConfig,
    TrainingConfig,
    UniformConfig,
)

__all__ = [
    "AdaptiveAlphaConfig", "AlphaConfig", "AttentiveConfig", "DataConfig", "EvaluationConfig", "KDConfig", "KLConfig",
    "LoopConfig", "NetworkConfig", "NetworkRunConfig", "NetworkTrainingConfig", "NoKDConfig", "PublishConfig",
    "ReverseKLConfig", "RunConfig", "SandwichConfig", "SearchConfig", "SpaceConfig", "SymmetricKLConfig",
    "TeacherConfig", "TrainingConfig", "UniformConfig", "differences", "from_dict", "read_config", "read_mapping",
    "to_dict", "to_yaml",
]  # fmt: skip
