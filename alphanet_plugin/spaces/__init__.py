"""Genes, archs, and search spaces as tables, with costs in closed form. No torch here."""

from .arch import Arch
from .costs import Cost, MacPart
from .gene import AnyGene, ContinuousGene, Gene
from .mobile import MobileSpace
from .network import BlockSpec, NetworkSpec
from .registry import get_space, list_spaces
from .space import SearchSpace
from .table import Table, read_table
from .us_mobilenet import MobileNetStage, UsMobileNetSpace, UsMobileNetV1Space, UsMobileNetV2Space

__all__ = [
    "AnyGene", "Arch", "BlockSpec", "ContinuousGene", "Cost", "Gene", "MacPart", "MobileNetStage",
    "MobileSpace", "NetworkSpec", "SearchSpace", "Table", "UsMobileNetSpace", "UsMobileNetV1Space",
    "UsMobileNetV2Space", "get_space", "list_spaces", "read_table",
]  # fmt: skip
