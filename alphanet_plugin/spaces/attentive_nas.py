"""The search space of AttentiveNAS (CVPR 2021) and AlphaNet (ICML 2021, Table 7), a table like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from .arch import Arch
from .mobile import MobileSpace
from .table import shipped_tables

_TABLE = shipped_tables()["attentive_nas"]
RESOLUTIONS = _TABLE.resolutions
STAGES = {row.name: row for row in _TABLE.stages}
HEAD_EXPAND_RATIO = _TABLE.head.expand_ratio

# AttentiveNAS published the same archs but for a5, and no a5_base.
_ATTENTIVE_NAS_A5 = {
    "resolution": 256,
    "width": [16, 16, 24, 32, 72, 112, 192, 216, 1792],
    "depth": [1, 3, 3, 3, 4, 6, 1],
    "kernel_size": [3, 3, 3, 5, 3, 3, 3],
    "expand_ratio": [1, 4, 5, 4, 4, 6, 6],
}


class AttentiveNASSpace(MobileSpace):
    """`MobileSpace` of the table ``attentive_nas``; arguments are those of `MobileSpace`."""

    def __init__(self, resolutions: Sequence[int] | None = None, **parameters: Any):
        super().__init__(_TABLE, resolutions=resolutions, **parameters)

    @cached_property
    def attentive_nas_presets(self) -> Mapping[str, Arch]:
        """The archs that the AttentiveNAS paper published; `presets` are AlphaNet's."""
        same = {name: arch for name, arch in self.presets.items() if name != "a5_base"}
        return {**same, "a5": self._preset("a5", _ATTENTIVE_NAS_A5)}
