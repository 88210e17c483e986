"""How a timm entry becomes a network: its space and arch come from the name, the caller, or published weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, register_model
from torch import nn

from ..spaces import Arch, SearchSpace
from ..store import Published
from .network import feature_levels
from .published import check_size, choose_published, file_of, register_published, told_tag
from .read_arch import GivenArch, GivenSpace, read_arch, read_space, space_around

Network = TypeVar("Network", bound=nn.Module)


def entry_cfg(resolution: int, stride: int = 32, **changed: Any) -> dict[str, Any]:
    """timm's cfg of a network at `resolution` pixels, without weights; `paper_ids` and others in `changed`."""
    cells = -(-resolution // stride)
    return {
        "num_classes": 1000,
        "input_size": (3, resolution, resolution),
        "pool_size": (cells, cells),
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": "conv_stem",
        "classifier": "classifier",
        "license": "apache-2.0",
        "notes": (protocols(resolution),),
        **changed,
    }


def protocols(resolution: int) -> str:
    """The two ways to evaluate, in words for a cfg or a card."""
    return (
        f"timm protocol: input at {resolution} pixels, the arch's resolution. "
        f"Paper protocol: resize 256, centre crop 224, resized to {resolution} inside the network (resize_input=True)"
    )


def register_archs(
    module: ModuleType,
    archs: Mapping[str, Arch],
    space: SearchSpace,
    create: Callable[[str, bool, dict[str, Any]], nn.Module],
) -> None:
    """Give `module`, which holds timm's `default_cfgs`, an entry for each of `archs`.

    Args:
        module: Where the entries are found by their names.
        archs: By the entries' names.
        space: Theirs.
        create: (entry's name, pretrained, further arguments) -> network.
    """
    for name, arch in archs.items():

        def entry(pretrained: bool = False, *, _name: str = name, **kwargs: Any) -> nn.Module:
            return create(_name, pretrained, kwargs)

        entry.__name__ = entry.__qualname__ = name
        entry.__module__ = module.__name__
        entry.__doc__ = f"{space.mflops(arch):,.0f} MFLOPs at {arch.resolution} pixels."
        setattr(module, name, register_model(entry))


def create_entry(
    module: ModuleType,
    architecture: str,
    archs: Mapping[str, Arch],
    arch: GivenArch | None,
    pretrained: bool,
    *,
    network: type[Network],
    space: GivenSpace,
    given_space: GivenSpace | None = None,
    fields: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Network:
    """Build one entry of `module`, which holds timm's `default_cfgs`.

    Args:
        module: The module of the entry.
        architecture: The entry's name.
        archs: The archs of the module's entries by name.
        arch: What the caller gave; None means that the published weights or the name say it.
        pretrained: Whether to load weights.
        network: The static network's class.
        space: Of the module's entries.
        given_space: What the caller gave; None means that the published weights say it, or `space` is meant.
        fields: What the caller said of the arch where not all of it is given.
        kwargs: timm's and the network's further arguments.
    """
    fields, published, cfg = fields or {}, None, kwargs.get("pretrained_cfg")
    only_published = arch is None and architecture not in archs and told_tag(architecture, cfg) is not None
    if pretrained or _is_tag(cfg) or only_published:
        published = choose_published(register_published(module), architecture, kwargs, ask_hub=pretrained)
        if published is not None:
            if published.revision is not None:  # a copy from the hub, which may have come just now
                register_published(module)
            model_args = _model_args(published)
            given_space = _published_space(published, model_args.pop("space", None), given_space, space)
            read = partial(read_arch, space=read_space(given_space or space))
            arch = _published_arch(published, model_args.pop("arch", None), arch, fields, read)
            kwargs = {**model_args, **kwargs, "pretrained_cfg": published.tag if cfg is None else cfg}
    if arch is None:
        arch = archs.get(architecture)
    if arch is None:
        raise ValueError(
            f"{architecture} needs arch=...: an Arch, a dict of its fields, its printed form, or a YAML file's path"
        )
    used = read_space(given_space or space)
    arch = read_arch({**arch, **fields} if fields and isinstance(arch, Mapping) else arch, used)
    around = space_around(used, arch)
    if pretrained:
        check_size(around, arch, _weights_of(published, kwargs))
    kwargs.setdefault("in_chans", used.in_chans)  # else timm takes the cfg's
    levels = feature_levels(around.network(arch))
    if kwargs.get("pretrained_cfg") is None:
        # Without weights nothing may depend on what the store holds, as timm's default (the first tag's cfg) would.
        own = module.default_cfgs[architecture].cfgs[""].to_dict()
        of_arch = entry_cfg(arch.resolution, stride=max(levels))
        own.update({key: value for key, value in of_arch.items() if key in _OF_RESOLUTION})
        kwargs["pretrained_cfg"] = {**own, "architecture": architecture}
    return build_model_with_cfg(
        network,
        architecture,
        pretrained,
        arch=arch,
        space=used,
        feature_cfg={"out_indices": tuple(range(len(levels))), "flatten_sequential": True},
        **kwargs,
    )


_OF_RESOLUTION = ("input_size", "pool_size", "notes")


def _model_args(published: Published) -> dict[str, Any]:
    """What its config.json gives the network; where the weights come from is not for it to say."""
    model_args = published.config.get("model_args", {})
    return {key: value for key, value in model_args.items() if not key.startswith("pretrained")}


def _weights_of(published: Published | None, kwargs: Mapping[str, Any]) -> Any:
    """Where the weights lie, as far as that is here: of the store, or by the path of a folder."""
    if published is not None:
        return published.weights
    return file_of(kwargs.get("pretrained_cfg"))


def _is_tag(pretrained_cfg: Any) -> bool:
    return isinstance(pretrained_cfg, str) and bool(pretrained_cfg)


def _published_space(
    published: Published, own: GivenSpace | None, given: GivenSpace | None, usual: GivenSpace
) -> GivenSpace | None:
    """The space that the weights name, if any, and else `usual`; ValueError if the caller asks for another."""
    if given is None:
        return own
    ours, theirs = read_space(own or usual).to_config(), read_space(given).to_config()
    if {**ours, "resolutions": None} != {**theirs, "resolutions": None}:
        names = [config.get("name") for config in (ours, theirs)]
        ours_called, theirs_called = names if names[0] != names[1] else (own or usual, given)
        raise ValueError(f"{published.name} has space {ours_called}, not {theirs_called}; leave space out")
    return own or given


def _published_arch(
    published: Published,
    own: GivenArch | None,
    given: GivenArch | None,
    fields: Mapping[str, Any],
    read: Callable[[GivenArch], Arch],
) -> GivenArch | None:
    """The arch that the weights have; ValueError if the caller asks for another."""
    if own is None:
        return given
    if given is not None and read(given) != read(own):
        raise ValueError(f"{published.name} has arch {read(own)}, not {read(given)}; leave arch out")
    for name, value in fields.items():
        if read(own)[name] != value:
            raise ValueError(f"{published.name} has {name} {read(own)[name]}, not {value}; leave {name} out")
    return own
