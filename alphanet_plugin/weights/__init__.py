"""Weights that come and go: released checkpoints, publishing, model cards."""

from .released import read_supernet_checkpoint

__all__ = ["read_supernet_checkpoint"]
