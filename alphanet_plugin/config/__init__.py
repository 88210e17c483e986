"""Run configurations: frozen dataclasses, read from YAML and written back."""

from .divergences import DivergencesConfig, ExampleConfig
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
from .study import ArmConfig, GroupConfig, PictureConfig, StudyConfig

__all__ = [
    "AdaptiveAlphaConfig", "AlphaConfig", "ArmConfig", "AttentiveConfig", "DataConfig", "DivergencesConfig",
    "EvaluationConfig", "ExampleConfig", "GroupConfig", "KDConfig", "KLConfig", "NoKDConfig", "PictureConfig",
    "PublishConfig", "ReverseKLConfig", "RunConfig", "SandwichConfig", "SearchConfig", "SpaceConfig", "StudyConfig",
    "SymmetricKLConfig", "TrainingConfig", "UniformConfig", "differences", "from_dict", "read_config", "read_mapping",
    "to_dict", "to_yaml",
]  # fmt: skip
