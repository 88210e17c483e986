"""A supernet's weights as a folder: model.safetensors and config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from .. import store
from ..atomic import atomic_folder
from ..errors import CheckpointError, StoreError
from ..spaces import get_space
from ..supernet import Supernet, build_supernet
from .weight_file import write_weights


def save_supernet(supernet: Supernet, folder: Path, about: Mapping[str, Any]) -> Path:
    """Write the folder, all or nothing; what stood there is replaced.

    Args:
        supernet: With its weights.
        folder: Where.
        about: Further plain values for config.json, such as the source and the licence.

    Raises:
        StoreError: It could not be written; what stood there still stands.
    """
    classes = len(supernet.get_parameter("classifier.bias"))
    config = {"space": supernet.space.to_config(), "num_classes": classes, **about}
    try:
        with atomic_folder(folder) as beside:
            write_weights(supernet, beside / store.WEIGHTS_FILE)
            text = json.dumps(store.with_digests(config, beside), indent=2)
            (beside / store.CONFIG_FILE).write_text(text, encoding="utf-8")
    except (OSError, StoreError) as error:
        raise StoreError(f"cannot write the supernet to {folder}: {error}") from error
    return folder


def supernet_source(folder: Path) -> dict[str, str] | None:
    """``file`` and ``sha256`` of the checkpoint that a folder's supernet came from.

    Empty where that is not recorded, None where no supernet can be read there.
    """
    try:
        source = store.read_folder_config(folder).get("source")
    except (OSError, ValueError):
        return None
    known = isinstance(source, dict) and all(isinstance(source.get(key), str) for key in ("file", "sha256"))
    return source if known else {}


def transform_of(state: Mapping[str, Any]) -> dict[str, bool]:
    """The option of `build_supernet` for a supernet of these weights, with or without a kernel transform."""
    return {"kernel_transform": True} if any(name.endswith("_matrix") for name in state) else {}


def load_supernet(folder: str | PathLike[str]) -> Supernet:
    """The supernet of a folder that `save_supernet` wrote, resizing its input to each arch's resolution.

    Raises:
        CheckpointError: The folder holds no supernet, or a damaged one.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / store.CONFIG_FILE).read_text(encoding="utf-8"))
        store.check_whole(folder, config)
        space = get_space(**config["space"])
        state = load_file(folder / store.WEIGHTS_FILE)
        supernet = build_supernet(space, num_classes=config["num_classes"], **transform_of(state))
        supernet.load_state_dict(state)
    except CheckpointError as error:
        raise CheckpointError(f"{folder} holds no supernet: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{folder} holds no supernet: {' '.join(str(error).split())}") from error
    return supernet
