"""A transfer's configuration becomes runs that train one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from ..config import (
    DataConfig,
    FinetuneConfig,
    FinetuneDataConfig,
    NetworkConfig,
    NetworkRunConfig,
    differences,
    identity,
    read_config,
)
from ..data import Preparation, Splits, for_channels, preparation_of
from ..errors import ConfigError
from .networks import create_network
from .run_folder import Part, RunFolder
from .start import check_start, start_of_network


class FinetuneFolder(RunFolder):
    """Where the parts of a transfer lie."""

    trials = Part("trials")
    experiments = Part("nni")  # NNI's files
    final = Part("final")  # the run that trains on all; its ``model`` is what timm loads
    results = Part("results.json")
    picture = Part("trials.png")


def image_form(config: FinetuneConfig) -> Preparation:
    """How the pretrained network wants its images; the network is built, with its weights, to ask it.

    Raises:
        ConfigError: There is no such network, or there are no such weights; or it takes one size of images only and
            the configuration has another.
        HubError: Its weights cannot be fetched.
    """
    model: Any = create_network(config.model, num_classes=2)  # the classifier is a new one anyway
    own = preparation_of(model, testing=False)
    side = own.input_size[-1]
    asked = config.data.image_size
    fixed = cast(Mapping[str, Any], model.pretrained_cfg).get("fixed_input_size")
    if fixed and asked not in (None, side) and "img_size" not in config.model.options:
        raise ConfigError(
            f"data.image_size: {config.model.name} takes images of {side} pixels, not {asked}; leave it out, or try "
            f"model.options={{img_size: {asked}}}"
        )
    return own


def check_transfer_start(config: FinetuneConfig, splits: Splits) -> None:
    """Before a transfer begins: ConfigError if its network's plain name would take weights for other images."""
    if not FinetuneFolder(Path(config.output)).config.is_file():
        start = start_of_network(config.model, create_network(config.model, num_classes=2))
        check_start(config.model, start, splits)


def network_run_of(
    config: FinetuneConfig, form: Preparation, output: Path, lr: float, weight_decay: float, *, hold_out: bool
) -> NetworkRunConfig:
    """The run that trains the network at one rate and decay.

    Args:
        config: The transfer's.
        form: The network's, for what the data section leaves out.
        output: The run's folder.
        lr: Learning rate.
        weight_decay: Weight decay.
        hold_out: True to hold `data.hold_out` of the training images out, as trials do; False to train on all.
    """
    return NetworkRunConfig(
        output=str(output),
        seed=config.seed,
        model=NetworkConfig(**vars(config.model)),
        data=_data_of(config.data, form, hold_out),
        training=config.training.at(lr, weight_decay),
    )


def check_same_transfer(config: FinetuneConfig) -> None:
    """ConfigError if the folder holds a transfer whose trials were of another configuration."""
    folder = FinetuneFolder(Path(config.output))
    if not folder.config.is_file():
        return
    before = identity(read_config(FinetuneConfig, folder.config))
    if changed := differences(before, identity(config)):
        raise ConfigError(
            f"{folder.path} holds a transfer with other values of {', '.join(changed)}; choose another output, put the "
            "values back, or delete that folder to start anew"
        )


def _data_of(data: FinetuneDataConfig, form: Preparation, hold_out: bool) -> DataConfig:
    asked = {key: value for key, value in asdict(data).items() if value is not None and key != "hold_out"}
    own_chans, *_, side = form.input_size
    in_chans = data.in_chans or own_chans
    own: dict[str, Any] = {"interpolation": form.interpolation, "image_size": side, "in_chans": in_chans}
    own |= {name: for_channels(getattr(form, name), in_chans) for name in ("mean", "std")}
    if data.name != "digits":  # they are not cropped
        own |= {"crop_pct": float(form.crop_pct), "crop_mode": None if form.crop_mode == "center" else form.crop_mode}
    held: dict[str, Any] = {"search_fraction": data.hold_out} if hold_out else {"search_count": 0}
    return DataConfig(**{**own, **asked, **held})
