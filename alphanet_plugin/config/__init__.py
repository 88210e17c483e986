"""Run configurations: frozen dataclasses, read from YAML and written back."""

from ..yaml_text import parse_yaml
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
from .phases import ObjectiveConfig, PhaseConfig, RampConfig, RateConfig, share_of
from .reading import (
    differences,
    flat,
    from_dict,
    list_recipes,
    merge,
    read_config,
    read_mapping,
    recipe_file,
    to_dict,
    to_yaml,
    with_recipe,
)
from .samplers import AttentiveConfig, LargestConfig, SamplerConfig, SandwichConfig, UniformConfig
from .schema import (
    CostConfig,
    DataConfig,
    EvaluationConfig,
    PublishConfig,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    SupernetConfig,
    TrainingConfig,
)
from .study import (
    ArmConfig,
    DivergencesConfig,
    ExampleConfig,
    GroupConfig,
    PictureConfig,
    StudyConfig,
    TeacherRunConfig,
)

__all__ = [
    "AdaptiveAlphaConfig", "AlphaConfig", "ArmConfig", "AttentiveConfig", "CostConfig", "DataConfig",
    "DivergencesConfig", "EvaluationConfig", "ExampleConfig", "FinetuneConfig", "FinetuneDataConfig",
    "FinetuneModelConfig", "FinetuneTrainingConfig", "GroupConfig", "KDConfig", "KLConfig", "LargestConfig",
    "LoopConfig", "NetworkConfig", "NetworkRunConfig", "NetworkTrainingConfig", "NoKDConfig", "ObjectiveConfig",
    "PhaseConfig", "PictureConfig", "PublishConfig", "RampConfig", "RateConfig", "RateSearchConfig",
    "ReverseKLConfig", "RunConfig", "SamplerConfig", "SandwichConfig", "SearchConfig", "SpaceConfig", "StudyConfig",
    "SupernetConfig", "SymmetricKLConfig", "TeacherConfig", "TeacherRunConfig", "TrainingConfig", "UniformConfig",
    "differences", "flat", "free", "from_dict", "identity", "left_open", "list_recipes", "merge", "parse_yaml",
    "read_config", "read_mapping", "recipe_file", "share_of", "to_dict", "to_yaml", "with_recipe",
]  # fmt: skip
