"""Weights that come and go: released checkpoints, publishing, model cards, the hub."""

from .import_released import ReleasedSupernet, publish_released, read_released, statistics_of, store_released
from .publish import Publication, publish
from .push import check_upload, push_to_hub
from .released import read_supernet_checkpoint
from .replacing import check_replaceable, published_under
from .supernet_files import load_supernet, save_supernet

__all__ = [
    "Publication",
    "ReleasedSupernet",
    "check_replaceable",
    "check_upload",
    "load_supernet",
    "publish",
    "publish_released",
    "published_under",
    "push_to_hub",
    "read_released",
    "read_supernet_checkpoint",
    "save_supernet",
    "statistics_of",
    "store_released",
]
