"""Genes, archs, and search spaces as tables, with costs in closed form. No torch here."""

from .arch import Arch
from .attentive_nas import AttentiveNASSpace
from .costs import Cost, MacPart
from .gene import AnyGene, ContinuousGene, Gene
from .network import BlockSpec, NetworkSpec
from .registry import get_space, list_spaces
from .space import SearchSpace
from .us_mobilenet import MobileNetStage, UsMobileNetSpace, UsMobileNetV1Space, UsMobileNetV2Space

__all__ = [
    "AnyGene", "Arch", "AttentiveNASSpace", "BlockSpec", "ContinuousGene", "Cost", "Gene", "MacPart", "MobileNetStage",
    "NetworkSpec", "SearchSpace", "UsMobileNetSpace", "UsMobileNetV1Space", "UsMobileNetV2Space", "get_space",
    "list_spaces",
]  # fmt: skip
