"""Weights that come and go: released checkpoints, publishing, model cards, the hub."""

from .card import family
from .import_released import FAMILIES, ReleasedSupernet, publish_released, read_released, store_released
from .publish import Publication, publish
from .push import check_upload, push_to_hub
from .released import read_supernet_checkpoint
from .supernet_files import load_supernet, save_supernet

__all__ = [
    "FAMILIES",
    "Publication",
    "ReleasedSupernet",
    "check_upload",
    "family",
    "load_supernet",
    "publish",
    "publish_released",
    "push_to_hub",
    "read_released",
    "read_supernet_checkpoint",
    "save_supernet",
    "store_released",
]
