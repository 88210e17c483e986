"""What files must be: their sha256 and size, written in the file beside them that is written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
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


def json_digest(values: Any, digits: int = 64) -> str:
    """sha256 of values as JSON, keys in order, in so many hexadecimal digits; equal for equal values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:digits]


def digest_files(folder: Path) -> dict[str, dict[str, Any]]:
    """The `digest` of every file that a folder holds now, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest(path) for path in files}


def damaged_files(folder: Path, listed: Any) -> Iterator[str]:
    """What is wrong with each file that is not as `digest_files` listed it: ``model.safetensors is missing``.

    Args:
        folder: The files' folder.
        listed: What `digest_files` gave, as it was read again.

    Raises:
        ValueError: That is no such list.
    """
    check_digests(listed)
    for name, wanted in listed.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != wanted["size"]:
                yield f"{name} has {size} bytes, not the {wanted['size']} that were written"
            elif digest(path)["sha256"] != wanted["sha256"]:
                yield f"{name} is not what was written (its sha256 differs)"
        except FileNotFoundError:
            yield f"{name} is missing"
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"


def check_digests(listed: Any) -> None:
    """ValueError unless this is what `digest_files` gives, and names files of the folder itself."""
    if not isinstance(listed, Mapping):
        raise ValueError("its list of files is no table")
    for name, wanted in listed.items():
        outside = not isinstance(name, str) or name.startswith("/") or ".." in name.split("/") or "\\" in name
        kinds = {"sha256": str, "size": int}
        if (
            outside
            or not isinstance(wanted, Mapping)
            or not all(isinstance(wanted.get(key), kind) for key, kind in kinds.items())
        ):
            raise ValueError(f"its list of files says {name!r:.80} in a form that is not known")


def recorded_sha256(config: Mapping[str, Any]) -> str | None:
    """The sha256 of the weights that a ``config.json`` states under our key; None if it states none."""
    ours = config.get("alphanet")
    sha256 = ours.get("sha256") if isinstance(ours, Mapping) else None
    return sha256.lower() if isinstance(sha256, str) else None
