"""Networks of timm by name, with or without weights, for runs that train one network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import timm
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import nn

from ..config import NetworkConfig, NetworkRunConfig, TeacherConfig
from ..data import Preparation, Splits, preparation_of
from ..errors import AlphaNetError, ConfigError, HubError
from ..hub import hub_errors
from ..models import to_memory_format
from ..nearest import did_you_mean, path_hint
from ..store import CONFIG_FILE, check_whole
from ..training import Teacher


def check_networks(config: NetworkRunConfig) -> None:
    """ConfigError if a run names a network that is not known or a file that is not there; nothing is fetched."""
    _source("model", config.model.name, config.model.pretrained)
    if config.teacher is not None:
        _source("teacher", config.teacher.name, config.teacher.pretrained)


def create_network(
    network: NetworkConfig, num_classes: int, image_size: int | None = None, in_chans: int | None = None
) -> nn.Module:
    """The network that a configuration's model section names, with a classifier of `num_classes`.

    Of a network for RGB that is given grey images, timm sums the first convolution over its channels.

    Raises:
        ConfigError: There is no such network, there are no such weights, or it takes images of another size or other
            channels.
        HubError: Its weights cannot be fetched.
    """
    rates = {key: rate for key in ("drop_rate", "drop_path_rate") if (rate := getattr(network, key))}
    grey = {"in_chans": 1} if in_chans == 1 else {}
    options = {**rates, **grey, **network.options, "num_classes": num_classes}
    model = _create("model", network.name, network.pretrained, options)
    _check_side("model", network, model, image_size)
    _check_channels("model", network.name, model, in_chans)
    return model


def open_teacher(teacher: TeacherConfig, splits: Splits, accelerator: Accelerator) -> Teacher:
    """The network that a configuration's teacher section names, as a teacher on the run's images.

    Raises:
        ConfigError: There is no such network, there are no such weights, or it knows other classes or channels.
        HubError: Its weights cannot be fetched.
    """
    model = create_teacher(teacher, splits)
    return Teacher(
        accelerator,
        to_memory_format(model, accelerator.device),
        images={"mean": splits.mean, "std": splits.std},
        expected=_teacher_preparation(teacher, model),
    )


def create_teacher(teacher: TeacherConfig, splits: Splits) -> nn.Module:
    """The teacher's network, on the CPU, if it tells the classes of these images apart; errors as of `open_teacher`."""
    options = dict(teacher.options)
    if isinstance(teacher.pretrained, str) and Path(teacher.pretrained).is_file():
        options.setdefault("num_classes", splits.num_classes)  # a bare weight file does not say
    model = _create("teacher", teacher.name, teacher.pretrained, options)
    cfg = cast(Mapping[str, Any], model.pretrained_cfg)
    if model.num_classes != splits.num_classes:
        raise ConfigError(
            f"teacher.name: {teacher.name} tells {model.num_classes} classes apart and {splits.name} has "
            f"{splits.num_classes}; give a teacher that was trained on these classes (`alphanet distill --student "
            "NAME` without a teacher trains one)"
        )
    names = cfg.get("label_names")
    if isinstance(names, (list, tuple)) and list(names) != list(splits.class_names):
        raise ConfigError(
            f"teacher.name: the classes of {teacher.name} are not those of {splits.name}, or stand in another order"
        )
    _check_side("teacher", teacher, model, teacher.image_size, "teacher.image_size")
    _check_channels("teacher", teacher.name, model, splits.in_chans)
    return model


def _teacher_preparation(teacher: TeacherConfig, model: nn.Module) -> Preparation:
    """How a teacher is given the student's views: as it learned, at another size where one is configured."""
    own = preparation_of(model, testing=False)  # they are training images
    size: Any = teacher.image_size or teacher.options.get("img_size") or own.input_size[1:]
    height, width = (size, size) if isinstance(size, int) else size
    return replace(own, input_size=(own.input_size[0], height, width))


def _check_side(
    section: str,
    network: NetworkConfig | TeacherConfig,
    model: nn.Module,
    side: int | None,
    key: str = "data.image_size",
) -> None:
    """ConfigError if a network that takes one size of images alone is given another."""
    cfg = cast(Mapping[str, Any], model.pretrained_cfg)
    own = cfg["input_size"][-1]
    if side is not None and cfg.get("fixed_input_size") and own != side and "img_size" not in network.options:
        raise ConfigError(
            f"{section}.name: {network.name} takes images of {own} pixels and {key} is {side}; make them "
            f"equal, or try {section}.options={{img_size: {side}}}"
        )


def _check_channels(section: str, name: str, model: nn.Module, in_chans: int | None) -> None:
    """ConfigError if a network takes images of other channels than the data has."""
    own = getattr(model, "in_chans", in_chans)
    if in_chans is not None and own != in_chans:
        raise ConfigError(
            f"{section}.name: {name} takes images of {own} channel{'s' * (own != 1)} and data.in_chans is {in_chans}; "
            f"make them equal, or have timm fit its first convolution (options={{in_chans: {in_chans}}} beside it)"
        )


def _create(section: str, name: str, pretrained: bool | str, options: Mapping[str, Any]) -> nn.Module:
    source, weights, checkpoint = _source(section, name, pretrained)
    if weights and source.startswith("local-dir:"):
        check_whole(Path(source.removeprefix("local-dir:")))
    try:
        with hub_errors(f"{name} ({section}.name)"):
            return timm.create_model(source, pretrained=weights, checkpoint_path=checkpoint, **options)
    except AlphaNetError as error:
        cause = error.__cause__
        if not isinstance(error, HubError) or cause is None:
            raise
        # timm's own complaints are bare RuntimeErrors; a classifier or an option that does not fit comes as these too
        if type(cause) in (RuntimeError, TypeError, ValueError, AssertionError, KeyError):
            raise ConfigError(f"{section}.name: timm cannot build {source}: {_short(cause)}") from error
        raise HubError(
            f"the weights of {name} cannot be fetched: {error}. Without a network, give {section}.pretrained the path "
            "of a folder with config.json and weights, or of a weight file"
        ) from error
    except (TypeError, KeyError, AssertionError, SafetensorError, UnpicklingError, EOFError) as error:
        raise ConfigError(
            f"{section}.name: timm cannot build {source} with {dict(options)}: {_short(error)}"
        ) from error


def _source(section: str, name: str, pretrained: bool | str) -> tuple[str, bool, str]:
    """What `timm.create_model` takes: a name, whether with weights, and a weight file if that is where they are."""
    if Path(name).is_dir():
        _architecture(section, Path(name))
        name = f"local-dir:{name}"
    elif ":" not in name:
        _check_known(section, name)
    if isinstance(pretrained, bool):
        return name, pretrained, ""
    path = Path(pretrained).expanduser()
    if path.is_dir():
        architecture = _architecture(section, path)
        if ":" not in name and architecture != name.partition(".")[0]:
            raise ConfigError(f"{section}.pretrained: {path} holds weights of {architecture}, not of {name}")
        return f"local-dir:{path}", True, ""
    if path.is_file():
        return name, False, str(path)
    if "/" in pretrained or path.suffix in (".safetensors", ".pth", ".pt", ".bin"):
        raise ConfigError(f"{section}.pretrained: there is no {path}{path_hint(path)}")
    return f"{name.partition('.')[0]}.{pretrained}", True, ""


def _check_known(section: str, name: str) -> None:
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        hint = did_you_mean(architecture, timm.list_models(), "timm.list_models() lists them")
        raise ConfigError(f"{section}.name: timm knows no model {architecture!r}, and there is no such folder; {hint}")


def _architecture(section: str, folder: Path) -> str:
    try:
        return json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))["architecture"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{section}: {folder} holds no model of timm's ({CONFIG_FILE}: {_short(error)}); give the folder that a "
            "run wrote, such as runs/distill/digits/model"
        ) from error


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
