"""Weights that come and go: released checkpoints, publishing, model cards."""

from .publish import Publication, publish
from .released import read_supernet_checkpoint

__all__ = ["Publication", "publish", "read_supernet_checkpoint"]
