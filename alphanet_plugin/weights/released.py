"""Supernet checkpoints of the released AttentiveNAS and AlphaNet programs, in our names."""

from __future__ import annotations

import re
from os import PathLike
from typing import Any

import torch

from ..errors import CheckpointError, brief
from ..spaces import AttentiveNASSpace
from ..supernet import build_supernet

_TOP = {
    "first_conv.conv.conv": "conv_stem",
    "first_conv.bn.bn": "bn1",
    "last_conv.final_expand_layer.conv.conv": "conv_expand",
    "last_conv.final_expand_layer.bn.bn": "bn2",
    "last_conv.feature_mix_layer.conv.conv": "conv_head",
    "classifier.linear.linear": "classifier",
}
_BLOCK = {
    "mobile_inverted_conv.inverted_bottleneck.conv.conv": "conv_pw",
    "mobile_inverted_conv.inverted_bottleneck.bn.bn": "bn1",
    "mobile_inverted_conv.depth_conv.conv.conv": "conv_dw",
    "mobile_inverted_conv.depth_conv.bn.bn": "bn2",
    "mobile_inverted_conv.depth_conv.se.fc.reduce": "se.fc1",
    "mobile_inverted_conv.depth_conv.se.fc.expand": "se.fc2",
    "mobile_inverted_conv.point_linear.conv.conv": "conv_pwl",
    "mobile_inverted_conv.point_linear.bn.bn": "bn3",
    "shortcut.conv.conv": "shortcut.conv",
}
_BLOCK_NAME = re.compile(r"blocks\.([0-9]{1,4})\.(.+)\.([a-z_]+)")
_CLASSIFIER = "classifier.linear.linear.bias"
# Statistics kept beside the shared ones, which nothing reads.
_IGNORED = re.compile(r"\.bn_tracking\.")


def read_supernet_checkpoint(
    path: str | PathLike[str], space: AttentiveNASSpace | None = None
) -> dict[str, torch.Tensor]:
    """A released ``.pth.tar`` as the state dict of `build_supernet`.

    The file is read with ``weights_only=True``: nothing in it is run. Optimizer state beside ``state_dict`` and the
    ``module.`` prefix of DDP do no harm. The checkpoint's BatchNorm statistics are carried over, but they are those of
    no subnet: recalibrate before use.

    Args:
        path: The file.
        space: The space it was trained on; by default the published AttentiveNAS space.

    Raises:
        CheckpointError: The file cannot be read, or an entry is missing, surplus or of another shape; all are named.
    """
    space = space or AttentiveNASSpace()
    state = _read_file(path)
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    bias = state.get(_CLASSIFIER)
    classes = 1000 if bias is None else _length(path, bias)
    with torch.device("meta"):
        expected = build_supernet(space, num_classes=classes).state_dict()
    places = _block_places(space)
    ours: dict[str, torch.Tensor] = {}
    surplus = []
    for theirs, tensor in state.items():
        name = _our_name(theirs, places)
        if name is not None and name in expected:
            ours[name] = tensor
        elif not (_IGNORED.search(theirs) or _is_idle_shortcut(theirs)):
            surplus.append(theirs)
    _check(path, ours, expected, surplus)
    return ours


def _read_file(path: str | PathLike[str]) -> dict[str, torch.Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever bytes make torch's reader stumble over, an IndexError among them
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"cannot read {path} as a PyTorch checkpoint of tensors: {reason}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} is no supernet checkpoint: it has no 'state_dict' of tensors")
    for name, value in state.items():
        _check_entry(path, name, value)
    return state


def _check_entry(path: str | PathLike[str], name: object, value: object) -> None:
    """CheckpointError unless it is a name with a dense tensor of floating-point numbers, or of counts."""
    if not isinstance(name, str):
        raise CheckpointError(f"{path} is no supernet checkpoint: {brief(name)} is no name of a tensor")
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        kind = type(value).__name__
        raise CheckpointError(f"{path} is no supernet checkpoint: {brief(name)} is no tensor of numbers, but {kind}")
    if value.is_complex():
        raise CheckpointError(f"{path} is no supernet checkpoint: {brief(name)} holds complex numbers")


def _length(path: str | PathLike[str], bias: torch.Tensor) -> int:
    """How many classes a classifier's bias is for."""
    if bias.ndim != 1 or len(bias) == 0:
        raise CheckpointError(f"{path}: {_CLASSIFIER} has shape {tuple(bias.shape)}, not one number a class")
    return len(bias)


def _block_places(space: AttentiveNASSpace) -> list[str]:
    """Our prefix of each block, in the order in which the released program numbers them."""
    stages = space.network(space.largest()).stages
    return [f"blocks.{number}.{block}" for number, stage in enumerate(stages) for block in range(len(stage))]


def _our_name(theirs: str, places: list[str]) -> str | None:
    match = _BLOCK_NAME.fullmatch(theirs)
    if match:
        number, part, leaf = int(match[1]), _BLOCK.get(match[2]), match[3]
        return f"{places[number]}.{part}.{leaf}" if part and number < len(places) else None
    layer, _, leaf = theirs.rpartition(".")
    return f"{_TOP[layer]}.{leaf}" if layer in _TOP else None


def _is_idle_shortcut(theirs: str) -> bool:
    """Kernels of shortcuts that are the identity in every arch of the space; the released program keeps them."""
    return theirs.endswith(".shortcut.conv.conv.weight")


def _check(
    path: str | PathLike[str], ours: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], surplus: list[str]
) -> None:
    problems = [f"missing: {name}" for name in expected if name not in ours]
    problems += [f"surplus: {name:.80}" for name in surplus]
    problems += [
        f"{name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
        for name, tensor in ours.items()
        if tensor.shape != expected[name].shape
    ]
    problems += [
        f"{name} is of {tensor.dtype}, expected {expected[name].dtype}"
        for name, tensor in ours.items()
        if tensor.is_floating_point() != expected[name].is_floating_point()
    ]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(f"{path} does not fit the space: {'; '.join(problems[:5])}{more}")
