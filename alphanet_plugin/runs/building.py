"""Names and YAML become built objects: space, images, supernet, losses, sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path

import torch

from .. import config as configs
from ..config import (
    AdaptiveAlphaConfig,
    AlphaConfig,
    AttentiveConfig,
    KDConfig,
    KLConfig,
    LargestConfig,
    NetworkRunConfig,
    NoKDConfig,
    ReverseKLConfig,
    RunConfig,
    SamplerConfig,
    SymmetricKLConfig,
    UniformConfig,
    identity,
)
from ..data import Splits
from ..errors import ConfigError
from ..losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KDLoss,
    KLDivergence,
    ReverseKLDivergence,
    SymmetricKLDivergence,
)
from ..samplers import AttentiveSampler, LargestSampler, Sampler, SandwichSampler, UniformSampler
from ..shipped import shipped_config
from ..spaces import SearchSpace
from ..supernet import Supernet, build_supernet, use_kernels
from .run_folder import RunFolder
from .run_images import open_images

_KD_LOSSES: dict[type, Callable[..., KDLoss]] = {
    AdaptiveAlphaConfig: AdaptiveAlphaDivergence,
    AlphaConfig: AlphaDivergence,
    KLConfig: KLDivergence,
    ReverseKLConfig: ReverseKLDivergence,
    SymmetricKLConfig: SymmetricKLDivergence,
}


def read_config(path: str | PathLike[str], overrides: Sequence[str] = ()) -> RunConfig:
    """A run's configuration; a name such as ``configs/digits.yaml`` that is not there means the shipped file.

    Args:
        path: A YAML file, or the name of a recipe such as ``deps``.
        overrides: ``key.subkey=value``, as ``--set`` takes them.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    if path in configs.list_recipes() or not (Path(path).suffix or Path(path).exists()):
        return configs.read_config(RunConfig, configs.recipe_file(path), [f"recipe={path}", *overrides])
    return configs.read_config(RunConfig, shipped_config(str(path)), overrides)


def build_space(config: RunConfig) -> SearchSpace:
    """The search space, of networks that take images of as many channels as the data section says."""
    return config.space.build(config.data.in_chans)


def build_data(config: RunConfig | NetworkRunConfig, image_size: int | None = None) -> Splits:
    """The images, at the configured side or another; those that the run in the output folder began with, if any did.

    Raises:
        ConfigError: There is no such data set.
        DataError: A run in the output folder began with other images.
    """
    return open_images(config.data, RunFolder(Path(config.output)), image_size)


def build_model(config: RunConfig, num_classes: int) -> Supernet:
    """The supernet, resizing images to each arch's resolution inside the network, in the fast memory format.

    Raises:
        ConfigError: An option that the supernet of this space does not take, or compiled kernels that cannot be had.
    """
    use_kernels(config.kernels)
    try:
        supernet = build_supernet(
            build_space(config),
            num_classes=num_classes,
            resize_input=True,
            drop_rate=config.training.drop_rate,
            drop_path_rate=config.training.drop_path_rate,
            **identity(config.supernet),
        )
    except ValueError as error:
        raise ConfigError(f"supernet: {error}") from error
    return supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_kd_loss(config: RunConfig) -> KDLoss | None:
    """The distillation loss; None where every subnet learns from the labels.

    Raises:
        ConfigError: A value that the loss refuses.
    """
    return kd_loss_of(config.kd)


def kd_loss_of(kd: KDConfig) -> KDLoss | None:
    """The distillation loss that a kd section names; None for ``none``.

    Raises:
        ConfigError: A value that the loss refuses.
    """
    if isinstance(kd, NoKDConfig):
        return None
    options = {key: value for key, value in asdict(kd).items() if key != "name"}
    try:
        return _KD_LOSSES[type(kd)](**options)
    except ValueError as error:
        raise ConfigError(f"kd.{error}") from error


def build_sampler(config: RunConfig, num_classes: int = 1000) -> Sampler:
    """Which archs a step trains; the classifier's outputs count where archs are drawn by their cost."""
    return sampler_of(config.sampler, build_space(config), config.seed, num_classes)


def sampler_of(sampler: SamplerConfig, space: SearchSpace, seed: int, num_classes: int = 1000) -> Sampler:
    """The sampler that a sampler section names, over a space.

    Raises:
        ConfigError: It goes by what archs cost, which the space does not know.
    """
    if isinstance(sampler, LargestConfig):
        return LargestSampler(space)
    if isinstance(sampler, UniformConfig | AttentiveConfig):
        try:
            space.cost(space.smallest())
        except NotImplementedError as error:
            raise ConfigError(f"sampler.name: {sampler.name} goes by an arch's multiply-adds; {error}") from error
    if isinstance(sampler, UniformConfig):
        return UniformSampler(space, num_archs=sampler.num_archs, seed=seed)
    if isinstance(sampler, AttentiveConfig):
        options = {key: value for key, value in asdict(sampler).items() if key not in ("name", "rank_by")}
        return AttentiveSampler(space, **options, num_classes=num_classes, seed=seed)
    return SandwichSampler(space, num_random=sampler.num_random, seed=seed)
