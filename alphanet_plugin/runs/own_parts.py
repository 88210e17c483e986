"""A run's parts that are not configured but given in Python: what their results depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..samplers import Sampler

OWN = "own"
"""Key of these parts in an identity."""
_OF_TORCH = {"training"}  # an attribute of every module


def describe_part(part: object) -> dict[str, Any]:
    """``name``, a part's class with its module, and its parameters, as JSON values.

    Parameters are its public attributes that are numbers, texts, truths, None, or lists and mappings of these; the
    modules and samplers that it holds; and sha256 of the tensors that it registers. Others do not count.
    """
    kind = type(part)
    found: dict[str, Any] = {"name": f"{kind.__module__}.{kind.__qualname__}"}
    held = dict(part._modules) if isinstance(part, nn.Module) else {}
    for name, value in {**vars(part), **held}.items():
        if name.startswith("_") or name in _OF_TORCH:
            continue
        if isinstance(value, (nn.Module, Sampler)):
            found[name] = describe_part(value)
        elif _is_plain(value):
            found[name] = _plain(value)
    if isinstance(part, nn.Module):
        own = [*part._parameters.items(), *part._buffers.items()]
        found |= {name: _digest(tensor) for name, tensor in own if tensor is not None}
    return found


def own_of(identity: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parts given in Python that an identity holds, under their key; empty where there are none."""
    own = (identity or {}).get(OWN)
    return {OWN: own} if own else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
