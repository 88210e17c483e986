"""The one writer of weight files."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from ..errors import StoreError


def write_weights(model: nn.Module, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network's state dict as safetensors: equal weights and metadata give equal bytes in every process.

    The file has the permissions that the umask leaves, so that a store can be shared.

    Args:
        model: On any device.
        path: The file.
        metadata: Texts for the file's header.

    Raises:
        StoreError: A tensor is not finite, or safetensors cannot hold it.
        OSError: The file cannot be written, for example because the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise StoreError(f"{name} is not finite: the training diverged; nothing was written")
    try:
        content = save(tensors, metadata={"format": "pt", **(metadata or {})})
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:  # shared memory or complex numbers, for two
        raise StoreError(f"safetensors cannot hold these weights: {' '.join(str(error).split())}") from error
    header, start = _sorted_header(content)
    with open(path, "wb") as file:  # safetensors' own files are readable by their owner alone
        file.write(header)
        file.write(memoryview(content)[start:])


def _sorted_header(content: bytes) -> tuple[bytes, int]:
    """The header with its keys in order, and where the tensors begin; safetensors takes metadata in hash order."""
    (length,) = struct.unpack("<Q", content[:8])
    fields = json.loads(content[8 : 8 + length])
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    return struct.pack("<Q", len(text)) + text, 8 + length
