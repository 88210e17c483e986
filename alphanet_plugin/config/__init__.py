"""Run configurations: frozen dataclasses, read from YAML and written back."""

from .reading import differences, from_dict, read_config, to_dict, to_yaml
from .schema import (
    AdaptiveAlphaConfig,
    AttentiveConfig,
    DataConfig,
    EvaluationConfig,
    KLConfig,
    PublishConfig,
    RunConfig,
    SandwichConfig,
    SearchConfig,
    SpaceConfig,
    TrainingConfig,
    UniformConfig,
)

__all__ = [
    "AdaptiveAlphaConfig", "AttentiveConfig", "DataConfig", "EvaluationConfig", "KLConfig", "PublishConfig",
    "RunConfig", "SandwichConfig", "SearchConfig", "SpaceConfig", "TrainingConfig", "UniformConfig", "differences",
    "from_dict", "read_config", "to_dict", "to_yaml",
]  # fmt: skip
