"""timm's entries of this package: the archs of `FAMILIES` by name, and of each family one that takes any arch.

Space and arch of a network come from the entry's name, from the caller, or from published weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._efficientnet_builder import efficientnet_init_weights
from torch import nn

from ..spaces import Arch, SearchSpace, get_space
from ..store import Published
from .family import FAMILIES, family_of, family_of_entry
from .network import feature_levels
from .published import check_size, choose_published, file_of, register_published, told_tag
from .read_arch import DEFAULT_SPACE, GivenArch, GivenSpace, read_arch, read_space, space_around

__all__: list[str] = []  # to timm all that it names would be entries

_THIS = sys.modules[__name__]  # where timm finds entries and their `default_cfgs`
_OF_RESOLUTION = ("input_size", "pool_size", "notes")
_space = lru_cache(get_space)


def entry_archs() -> Mapping[str, Arch]:
    """Every entry that stands for one arch, by name; the others stand for any."""
    return {name: arch for family in FAMILIES for name, arch in family.archs.items()}


def entry_name(space: SearchSpace, tag: str, preset: str | None = None) -> str:
    """``ENTRY.TAG`` under which weights of an arch are published.

    Args:
        space: The arch's.
        tag: What distinguishes the weights.
        preset: The arch's name in ``space.presets``; None for an arch without one.
    """
    family = family_of(space)
    if f"{family.name}_{preset}" in family.archs:
        return f"{family.name}_{preset}.{tag}"
    return f"{family.any_arch}.{tag}" + (f"_{preset.replace('.', 'p')}" if preset else "")


def build_static(space: SearchSpace, arch: Arch, **options: Any) -> nn.Module:
    """The static timm model of an arch, without weights; options are those of its entry."""
    return _create(family_of(space).any_arch, arch=arch, space=space, **options)


def refresh_entries() -> None:
    """Tell timm what the store holds now. `timm.create_model` needs no telling; `timm.list_models` cannot ask."""
    register_published(_THIS)


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


def _create(
    architecture: str,
    pretrained: bool = False,
    *,
    arch: GivenArch | None = None,
    space: GivenSpace | None = None,
    width: float | None = None,
    **kwargs: Any,
) -> Any:
    """Build an entry's network.

    Args:
        architecture: The entry's name.
        pretrained: Whether to load weights.
        arch: What the caller gave; None means that the published weights or the name say it.
        space: What the caller gave; None means that the published weights say it, or the family's is meant.
        width: Of a slimmable network, in place of `arch`.
        kwargs: timm's and the network's further arguments.
    """
    family = family_of_entry(architecture)
    assert family is not None, architecture
    if width is not None and arch is not None:
        raise ValueError(f"{architecture} takes width or arch, not both")
    fields, published = {} if width is None else {"width": width}, None
    given, own = space, _space(family.space or DEFAULT_SPACE)
    usual, cfg = family.archs.get(architecture, family.widest), kwargs.get("pretrained_cfg")
    only_published = arch is None and usual is None and told_tag(architecture, cfg) is not None
    if pretrained or _is_tag(cfg) or only_published:
        published = choose_published(register_published(_THIS), architecture, kwargs, ask_hub=pretrained)
        if published is not None:
            if published.revision is not None:  # a copy from the hub, which may have come just now
                register_published(_THIS)
            model_args = _model_args(published)
            given = _published_space(published, model_args.pop("space", None), given, own)
            read = partial(read_arch, space=read_space(given or own))
            arch = _published_arch(published, model_args.pop("arch", None), arch, fields, read)
            kwargs = {**model_args, **kwargs, "pretrained_cfg": published.tag if cfg is None else cfg}
    arch = usual if arch is None else arch
    if arch is None:
        raise ValueError(
            f"{architecture} needs arch=...: an Arch, a dict of its fields, its printed form, or a YAML file's path"
        )
    used = read_space(given or own)
    arch = read_arch({**arch, **fields} if fields and isinstance(arch, Mapping) else arch, used)
    around = space_around(used, arch)
    if pretrained:
        check_size(around, arch, _weights_of(published, kwargs))
    kwargs.setdefault("in_chans", used.in_chans)  # else timm takes the cfg's
    levels = feature_levels(around.network(arch))
    if kwargs.get("pretrained_cfg") is None:
        # Without weights nothing may depend on what the store holds, as timm's default (the first tag's cfg) would.
        of_entry = default_cfgs[architecture].cfgs[""].to_dict()
        of_arch = entry_cfg(arch.resolution, stride=max(levels))
        of_entry.update({key: value for key, value in of_arch.items() if key in _OF_RESOLUTION})
        kwargs["pretrained_cfg"] = {**of_entry, "architecture": architecture}
    network = build_model_with_cfg(
        family.network,
        architecture,
        pretrained,
        arch=arch,
        space=used,
        feature_cfg={"out_indices": tuple(range(len(levels))), "flatten_sequential": True},
        **kwargs,
    )
    if family.timm_init and not pretrained and kwargs.get("device") is None:
        efficientnet_init_weights(network)  # torch's way leaves features of 1e-9 here
    return network


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


# -- the entries ------------------------------------------------------------------------------------------------------

default_cfgs = generate_default_cfgs(
    {
        **{family.any_arch: entry_cfg(family.side, **family.paper) for family in reversed(FAMILIES)},
        **{
            name: entry_cfg(arch.resolution, **family.paper)
            for family in FAMILIES
            for name, arch in family.archs.items()
        },
    }
)


@register_model
def alphanet_subnet(pretrained: bool = False, arch: GivenArch | None = None, **kwargs: Any) -> Any:
    """Any arch of the AttentiveNAS space; `arch` is an `Arch`, a dict of its fields, its printed form, or the path of
    a YAML file that holds the dict. Published weights bring their own.
    """
    return _create("alphanet_subnet", pretrained, arch=arch, **kwargs)


@register_model
def ofa_mbv3_subnet(
    pretrained: bool = False, arch: GivenArch | None = None, space: GivenSpace | None = None, **kwargs: Any
) -> Any:
    """Any arch of once-for-all's MobileNetV3 space; `arch` is an `Arch`, a dict of its fields, its printed form, or the
    path of a YAML file that holds the dict, and `space` the space where it is another width's. Published weights bring
    both.
    """
    return _create("ofa_mbv3_subnet", pretrained, arch=arch, space=space, **kwargs)


@register_model
def ofa_proxyless_subnet(
    pretrained: bool = False, arch: GivenArch | None = None, space: GivenSpace | None = None, **kwargs: Any
) -> Any:
    """Any arch of once-for-all's ProxylessNAS space; `arch` and `space` as `ofa_mbv3_subnet` takes them."""
    return _create("ofa_proxyless_subnet", pretrained, arch=arch, space=space, **kwargs)


@register_model
def us_mobilenet_v1(
    pretrained: bool = False, width: float | None = None, arch: GivenArch | None = None, **kwargs: Any
) -> Any:
    """MobileNetV1 at any width, 1 by default: 569 MFLOPs at 224 pixels. `arch` gives the resolution too. Published
    weights bring both.
    """
    return _create("us_mobilenet_v1", pretrained, width=width, arch=arch, **kwargs)


@register_model
def us_mobilenet_v2(
    pretrained: bool = False, width: float | None = None, arch: GivenArch | None = None, **kwargs: Any
) -> Any:
    """MobileNetV2 at any width, 1 by default: 301 MFLOPs at 224 pixels. `arch` gives the resolution too. Published
    weights bring both.
    """
    return _create("us_mobilenet_v2", pretrained, width=width, arch=arch, **kwargs)


@register_model
def mobile_subnet(
    pretrained: bool = False, space: GivenSpace | None = None, arch: GivenArch | None = None, **kwargs: Any
) -> Any:
    """Any arch of any space that is a table; `space` is the space, its name, the path of its table, or a dict of
    `get_space`'s arguments, and `arch` an `Arch`, a dict of its fields, its printed form, or the path of a YAML file
    that holds the dict. Published weights bring both.
    """
    return _create("mobile_subnet", pretrained, space=space, arch=arch, **kwargs)


def _register_arch(name: str, arch: Arch, space: SearchSpace) -> None:
    """The entry that stands for one arch."""

    def entry(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return _create(name, pretrained, **kwargs)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"{space.mflops(arch):,.0f} MFLOPs at {arch.resolution} pixels."
    setattr(_THIS, name, register_model(entry))


for _family in FAMILIES:
    for _name, _arch in _family.archs.items():
        _register_arch(_name, _arch, _space(_family.space))
register_published(_THIS)
