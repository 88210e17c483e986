"""Run configurations: frozen dataclasses, read from YAML and written back."""

from .reading import differences, from_dict, read_config, to_dict, to_yaml
from .schema import (
    AdaptiveAlphaConfig,
    DataConfig,
    EvaluationConfig,
    KLConfig,
    PublishConfig,
    RunConfig,
    SandwichConfig,
    SearchConfig,
    SpaceConfig,
    TrainingConfig,
)

__all__ = [
    "AdaptiveAlphaConfig", "DataConfig", "EvaluationConfig", "KLConfig", "PublishConfig", "RunConfig", "SandwichConfig",
    "SearchConfig", "SpaceConfig", "TrainingConfig", "differences", "from_dict", "read_config", "to_dict", "to_yaml",
]  # fmt: skip
