"""Run configurations: frozen dataclasses, read from YAML and written back."""

from .divergences import DivergencesConfig, ExampleConfig
from .finetune import (
    FinetuneConfig,
    FinetuneDataConfig,
    FinetuneModelConfig,
    FinetuneTrainingConfig,
    RateSearchConfig,
)
from .identity import free, identity, left_open
from .kd import AdaptiveAlphaConfig, AlphaConfig, KDConfig, KLConfig, NoKDConfig, ReverseKLConfig, SymmetricKLConfig
from .loop import LoopConfig
from .network import NetworkConfig, NetworkRunConfig, NetworkTrainingConfig, TeacherConfig
from .reading import differences, from_dict, read_config, read_mapping, to_dict, to_yaml
from .schema import (
    AttentiveConfig,
    DataConfig,
    EvaluationConfig,
    PublishConfig,
    RunConfig,
    SandwichConfig,
    SearchConfig,
    SpaceConfig,
    SupernetConfig,
    TrainingConfig,
    UniformConfig,
)
from .study import ArmConfig, GroupConfig, PictureConfig, StudyConfig, TeacherRunConfig
from .yaml_text import parse_yaml

__all__ = [
    "AdaptiveAlphaConfig", "AlphaConfig", "ArmConfig", "AttentiveConfig", "DataConfig", "DivergencesConfig",
    "EvaluationConfig", "ExampleConfig", "FinetuneConfig", "FinetuneDataConfig", "FinetuneModelConfig",
    "FinetuneTrainingConfig", "GroupConfig", "KDConfig", "KLConfig", "LoopConfig", "NetworkConfig",
    "NetworkRunConfig", "NetworkTrainingConfig", "NoKDConfig", "PictureConfig", "PublishConfig", "RateSearchConfig",
    "ReverseKLConfig", "RunConfig", "SandwichConfig", "SearchConfig", "SpaceConfig", "StudyConfig", "SupernetConfig",
    "SymmetricKLConfig", "TeacherConfig", "TeacherRunConfig", "TrainingConfig", "UniformConfig", "differences",
    "free", "from_dict", "identity", "left_open", "parse_yaml", "read_config", "read_mapping", "to_dict",
    "to_yaml",
]  # fmt: skip
