"""What a weight file must be: its sha256 and size, written in config.json beside it when it is published."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20  # bytes


def digest(path: Path) -> dict[str, Any]:
    """``{"sha256": 64 hexadecimal digits, "size": bytes}`` of a file."""
    sha256, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            size += len(chunk)
    return {"sha256": sha256.hexdigest(), "size": size}


def recorded_sha256(config: Mapping[str, Any]) -> str | None:
    """The sha256 of the weights that a ``config.json`` states under our key; None if it states none."""
    ours = config.get("alphanet")
    sha256 = ours.get("sha256") if isinstance(ours, Mapping) else None
    return sha256.lower() if isinstance(sha256, str) else None
