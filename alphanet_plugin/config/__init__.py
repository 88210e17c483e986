"""Run configurations: frozen dataclasses, read from YAML and written back."""

from .reading import differences, from_dict, read_config, to_dict, to_yaml
from .schema import (
    AdaptiveAlphaConfig,
    AlphaConfig,
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
)

__all__ = [
    "AdaptiveAlphaConfig", "AlphaConfig", "DataConfig", "EvaluationConfig", "KDConfig", "KLConfig", "NoKDConfig",
    "PublishConfig", "ReverseKLConfig", "RunConfig", "SandwichConfig", "SearchConfig", "SpaceConfig",
    "SymmetricKLConfig", "TrainingConfig", "differences", "from_dict", "read_config", "to_dict", "to_yaml",
]  # fmt: skip
