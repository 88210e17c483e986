"""What the weights of a run depend on, and whether a folder holds that run."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import NetworkRunConfig, RunConfig, SpaceConfig, differences, from_dict, identity
from ..errors import ConfigError
from ..samplers import Sampler
from ..training import latest_checkpoint, read_state
from .run_folder import RunFolder
from .run_images import without_images

TEACHERS = "teachers"
"""Key of the weights of phases' fixed teachers in an identity: ``{phase: {sha256: ...}}``."""


def supernet_identity(config: RunConfig, *, defaults: bool = False) -> dict[str, Any]:
    """What must not change between the beginning of a run and its resumption: all that its weights depend on."""
    return {**identity(config, defaults=defaults), "space": config.space.build().to_config()}


def trained_identity(config: RunConfig, checkpoint: Path, *, defaults: bool = False) -> dict[str, Any]:
    """The same of what was trained: with what is no key of a configuration, as its checkpoint has it."""
    return {**supernet_identity(config, defaults=defaults), **_beside(read_state(checkpoint)["identity"])}


def complete_supernet_identity(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A kept identity as today's: earlier ones hold defaults too, and lack keys that have come since then."""
    beside = _beside(kept)
    try:
        known = {key: value for key, value in kept["space"].items() if key in SpaceConfig.__dataclass_fields__}
        values = {key: value for key, value in kept.items() if key not in beside}
        return {**supernet_identity(from_dict(RunConfig, {**values, "space": known, "output": "unnamed"})), **beside}
    except (ConfigError, LookupError, TypeError, AttributeError):  # a key that is no more, a value not allowed now
        return dict(kept)


def _beside(identity: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an identity holds beside a configuration's keys: parts given in Python, teachers' weights."""
    teachers = (identity or {}).get(TEACHERS)
    return {**own_of(identity), **({TEACHERS: teachers} if teachers else {})}


def check_same_supernet(config: RunConfig, folder: RunFolder) -> None:
    """ConfigError if the folder holds a run whose weights come of another configuration."""
    latest = latest_checkpoint(folder.checkpoints)
    kept = complete_supernet_identity(without_images(read_state(latest)["identity"] or {})) if latest else {}
    changed = differences(kept, trained_identity(config, latest)) if latest else []
    if changed:
        raise ConfigError(
            f"{folder.path} was trained with other values of {', '.join(changed)}, and its weights depend on them: "
            "leave them out here, or train anew with them in another output"
        )


def network_identity(config: NetworkRunConfig, *, defaults: bool = False) -> dict[str, Any]:
    """What must not change between the beginning of a run and its resumption: all that its weights depend on."""
    return {**identity(config, defaults=defaults), "kd": identity(config.distillation, defaults=defaults)}


def complete_network_identity(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A kept identity as today's: earlier ones hold defaults too, and lack keys that have come since then."""
    try:
        teacher = kept.get("teacher")
        found = {key: teacher[key] for key in ("sha256", "resized") if teacher and key in teacher}  # of its weights
        known = {
            **kept,
            "teacher": teacher and {k: v for k, v in teacher.items() if k not in found},
            "output": "unnamed",
        }
        values = network_identity(from_dict(NetworkRunConfig, known))
        return {**values, "teacher": {**values["teacher"], **found}} if found else values
    except (ConfigError, LookupError, TypeError, AttributeError):  # a key that is no more, a value not allowed now
        return dict(kept)


def check_same_identity(
    identity: dict[str, Any],
    folder: RunFolder,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    free: Collection[str] = (),
) -> None:
    """ConfigError if the folder holds a run of another identity, of which `complete` makes one of today's keys.

    Keys that are `free` may differ.
    """
    latest = latest_checkpoint(folder.checkpoints)
    kept = complete(without_images(read_state(latest)["identity"] or {})) if latest else identity
    changed = [key for key in differences(kept, identity) if key not in free]
    if changed:
        _check_own(own_of(kept), own_of(identity), folder, latest)
        raise ConfigError(
            f"{folder.path} holds a run with other values of {', '.join(changed)}; "
            "choose another output, put the values back, go on under these on purpose with --resume-from "
            f"{shlex.quote(str(latest))}, or delete {folder.checkpoints} to start anew"
        )


def _check_own(kept: Mapping[str, Any], now: Mapping[str, Any], folder: RunFolder, latest: Path | None) -> None:
    """ConfigError that shows both, where a part that is given in Python is another one."""
    old, new = kept.get(OWN, {}), now.get(OWN, {})
    for part in {**old, **new}:
        if old.get(part) != new.get(part):
            before, given = (_shown(one.get(part)) for one in (old, new))
            raise ConfigError(
                f"{folder.path} holds a run whose {part} was {before}, and now it is {given}; give that one, choose "
                f"another output, or go on with this one on purpose by resume_from={str(latest)!r}"
            )


def _shown(part: Mapping[str, Any] | None) -> str:
    if part is None:
        return "the configured one"
    parameters = ", ".join(f"{key}={value!r}" for key, value in part.items() if key != "name")
    return f"{part['name']}({parameters})"


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
