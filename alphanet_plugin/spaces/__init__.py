"""Genes, archs, and search spaces as tables, with costs in closed form. No torch here."""

from .arch import Arch
from .attentive_nas import AttentiveNASSpace
from .costs import Cost, MacPart
from .gene import Gene
from .network import BlockSpec, NetworkSpec
from .registry import get_space, list_spaces
from .space import SearchSpace

__all__ = [
    "Arch", "AttentiveNASSpace", "BlockSpec", "Cost", "Gene", "MacPart", "NetworkSpec", "SearchSpace", "get_space",
    "list_spaces",
]  # fmt: skip
