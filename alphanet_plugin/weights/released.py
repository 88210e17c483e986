"""Checkpoints of the released AttentiveNAS, AlphaNet and once-for-all programs, in our names."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable
from os import PathLike
from typing import Any

import torch

from ..errors import CheckpointError, brief, unreadable_because
from ..models import read_space
from ..models.read_arch import DEFAULT_SPACE, GivenSpace
from ..nearest import path_hint
from ..spaces import SearchSpace
from ..supernet import build_supernet

# Their names, where what stands twice in a row (".conv.conv.", ".bn.bn.") is written once: the programs differ in it.
_TOP = {
    "first_conv.conv": "conv_stem",
    "first_conv.bn": "bn1",
    "final_expand_layer.conv": "conv_expand",
    "final_expand_layer.bn": "bn2",
    "feature_mix_layer.conv": "conv_head",
    "classifier.linear": "classifier",
}
# Where the head has one convolution, once-for-all calls it by the second one's name.
_SINGLE_HEAD = {"feature_mix_layer.conv": "conv_expand", "feature_mix_layer.bn": "bn2"}
_BLOCK = {
    "inverted_bottleneck.conv": "conv_pw",
    "inverted_bottleneck.bn": "bn1",
    "depth_conv.conv": "conv_dw",
    "depth_conv.bn": "bn2",
    "depth_conv.se.fc.reduce": "se.fc1",
    "depth_conv.se.fc.expand": "se.fc2",
    "point_linear.conv": "conv_pwl",
    "point_linear.bn": "bn3",
    "shortcut.conv": "shortcut.conv",
}
_BLOCK_NAME = re.compile(r"blocks\.([0-9]{1,4})\.(?:mobile_inverted_conv\.|conv\.)?(.+)\.([a-z0-9_]+)")
_CLASSIFIER = "classifier.linear.bias"
# Statistics kept beside the shared ones, which nothing reads.
_IGNORED = re.compile(r"\.bn_tracking\.")

logger = logging.getLogger(__name__)


def read_supernet_checkpoint(path: str | PathLike[str], space: GivenSpace = DEFAULT_SPACE) -> dict[str, torch.Tensor]:
    """A released checkpoint as the state dict of `build_supernet`.

    The file is read with ``weights_only=True``: nothing in it is run. Optimizer state beside ``state_dict`` and the
    ``module.`` prefix of DDP do no harm. The checkpoint's BatchNorm statistics are carried over, but they are those of
    no subnet of AttentiveNAS's space: recalibrate before use. Static networks that once-for-all released (its teachers)
    are read as the weights of the largest arch.

    Matrices of a kernel transform are read where the file has them and listed in the log where the space has no use for
    them; a supernet without a transform ignores them, and one of another number of classes keeps its classifier.

    Args:
        path: The file.
        space: The space it was trained on, in any form that `models.read_space` takes.

    Raises:
        CheckpointError: The file cannot be read, or an entry is missing, surplus or of another shape; all are named.
    """
    space = read_space(space)
    state = _read_file(path)
    names = {_once(name.removeprefix("module.")): name for name in state}
    classes = _length(path, state[names[_CLASSIFIER]]) if _CLASSIFIER in names else 1000
    with torch.device("meta"):
        options: dict[str, Any] = {"kernel_transform": True}
        expected = build_supernet(space, num_classes=classes, **options).state_dict()
    rename = _renaming(space)
    ours: dict[str, torch.Tensor] = {}
    surplus, stray = [], []
    for short, theirs in names.items():
        name = rename(short)
        if name is not None and name in expected:
            ours[name] = state[theirs]
        elif short.endswith("_matrix"):
            stray.append(theirs)
        elif not (_IGNORED.search(theirs) or _is_idle_shortcut(short)):
            surplus.append(theirs)
    if stray:
        logger.warning("%s: %s has no such kernel transform, ignored: %s", path, space.name, ", ".join(stray))
    _check(path, ours, expected, surplus)
    return ours


def _once(name: str) -> str:
    """A name without the repetitions that differ from program to program."""
    return ".".join(part for part, _ in itertools.groupby(name.removeprefix("last_conv.").split(".")))


def _read_file(path: str | PathLike[str]) -> dict[str, torch.Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        hint = path_hint(str(path))
        raise FileNotFoundError(f"there is no checkpoint {path}{hint}; give the file that was released") from error
    except Exception as error:  # whatever bytes make torch's reader stumble over, an IndexError among them
        raise CheckpointError(
            f"cannot read {path} as a PyTorch checkpoint of tensors ({unreadable_because(error)}); give the file that "
            "was released"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, torch.Tensor) for value in state.values()):
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


def _renaming(space: SearchSpace) -> Callable[[str], str | None]:
    """Their name, without repetitions -> ours; None where there is none."""
    spec = space.network(space.largest())
    # Our prefix of each block, in the order in which the released programs number them.
    places = [f"blocks.{stage}.{block}" for stage, blocks in enumerate(spec.stages) for block in range(len(blocks))]
    top = _TOP if spec.head_channels else {**_TOP, **_SINGLE_HEAD}

    def rename(theirs: str) -> str | None:
        match = _BLOCK_NAME.fullmatch(theirs)
        if match:
            number, part, leaf = int(match[1]), _BLOCK.get(match[2]), match[3]
            return f"{places[number]}.{part}.{leaf}" if part and number < len(places) else None
        layer, _, leaf = theirs.rpartition(".")
        return f"{top[layer]}.{leaf}" if layer in top else None

    return rename


def _is_idle_shortcut(theirs: str) -> bool:
    """Kernels of shortcuts that are the identity in every arch of the space; the released program keeps them."""
    return theirs.endswith(".shortcut.conv.weight")


def _check(
    path: str | PathLike[str], ours: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], surplus: list[str]
) -> None:
    problems = [f"missing: {name}" for name in expected if name not in ours and not name.endswith("_matrix")]
    problems += [f"surplus: {name:.80}" for name in surplus]
    problems += [
        f"{name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
        for name, tensor in ours.items()
        if tensor.shape != expected[name].shape
    ]
    problems += [
        f"{name} is of {tensor.dtype}, expected {expected[name].dtype}"
        for name, tensor in ours.items()
        if tensor.is_floating_point() != expected[name].is_floating_point() and not name.endswith("num_batches_tracked")
    ]
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"{path} does not fit the space: {'; '.join(problems[:5])}{more}; give a supernet's checkpoint as it was "
            "released, and the space that it is of"
        )
