"""Weights that come and go: released checkpoints, publishing, model cards, the hub."""

from .publish import Publication, publish
from .push import check_upload, push_to_hub
from .released import read_supernet_checkpoint

__all__ = ["Publication", "check_upload", "publish", "push_to_hub", "read_supernet_checkpoint"]
