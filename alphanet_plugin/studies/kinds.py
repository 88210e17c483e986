"""Kinds of runs by their names in a study's YAML file."""

from .cell_kind import CellKind
from .supernet_cell import SupernetCell

KINDS: dict[str, CellKind] = {"supernet": SupernetCell()}
