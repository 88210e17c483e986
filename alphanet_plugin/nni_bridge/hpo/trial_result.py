"""What a search's trial reports to NNI, and what the tuner reads of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...digest import json_digest
from ...spaces import Arch

_NOT_METRICS = ("default", "mflops")


def pack_result(arch: Arch, mflops: float, metrics: Mapping[str, float], fingerprint: Mapping[str, Any]) -> dict:
    """The final result: NNI's ``default`` is top-1 (%), the others stand beside it in its web portal.

    The arch is in it because NNI's manager may give a trial other parameters than it lists it with; the search is,
    so that a trial that measured other weights or with other settings is found out.
    """
    return {
        "default": metrics["top1"],
        **metrics,
        "mflops": mflops,
        "arch": str(arch),
        "search": json_digest(fingerprint, 16),
    }


def unpack_result(value: Any, fingerprint: Mapping[str, Any]) -> tuple[Arch, dict[str, float]]:
    """The arch and its metrics.

    Raises:
        ValueError: It is no result of a trial of this search; the message says why.
    """
    while isinstance(value, str):  # NNI hands imported results over as JSON in JSON
        value = json.loads(value)
    if not isinstance(value, Mapping) or "arch" not in value:
        raise ValueError("it is not what alphanet_plugin.nni_bridge.hpo.search_trial reports")
    if value.get("search") != json_digest(fingerprint, 16):
        raise ValueError(
            "the trial measured another checkpoint, other images or with other settings than this search; give it the "
            "same run and its images as they were, and change no evaluation settings with --set"
        )
    numbers = {
        name: float(number)
        for name, number in value.items()
        if name not in _NOT_METRICS and isinstance(number, (int, float))
    }
    return Arch.parse(value["arch"]), numbers
