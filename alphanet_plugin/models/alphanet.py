"""timm entries of AlphaNet: one for each preset, and one for any arch."""

from __future__ import annotations

import sys
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from ..spaces import AttentiveNASSpace
from ..store import Published
from .network import AlphaNet
from .published import choose_published, register_published
from .read_arch import GivenArch, read_arch

__all__: list[str] = []

PRESETS = AttentiveNASSpace().presets


def _cfg(resolution: int, **changed: Any) -> dict[str, Any]:
    cells = -(-resolution // 32)
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
        "paper_ids": "arXiv:2102.07954",
        "paper_name": "AlphaNet: Improved Training of Supernets with Alpha-Divergence",
        **changed,
    }


default_cfgs = generate_default_cfgs(
    {
        **{f"alphanet_{name}": _cfg(arch.resolution) for name, arch in PRESETS.items()},
        "alphanet_subnet": _cfg(PRESETS["a0"].resolution),
    }
)


def refresh_entries() -> None:
    """Tell timm what the store holds now. `timm.create_model` needs no telling; `timm.list_models` cannot ask."""
    register_published(sys.modules[__name__])


def _create(architecture: str, arch: GivenArch | None, pretrained: bool, **kwargs: Any) -> AlphaNet:
    """Build one entry; `arch` None means that the published weights or the preset of that name say it."""
    if pretrained or _is_tag(kwargs.get("pretrained_cfg")):
        entries = register_published(sys.modules[__name__])
        published = choose_published(entries, architecture, kwargs)
        if published is not None:
            model_args = dict(published.config.get("model_args", {}))
            arch = _published_arch(published, model_args.pop("arch", None), arch)
            kwargs = {**model_args, **kwargs, "pretrained_cfg": published.tag}
    if arch is None:
        arch = PRESETS.get(architecture.removeprefix("alphanet_"))
    if arch is None:
        raise ValueError(
            f"{architecture} needs arch=...: an Arch, a dict of its fields, its printed form, or a YAML file's path"
        )
    arch = read_arch(arch)
    if kwargs.get("pretrained_cfg") is None:
        # Without weights nothing may depend on what the store holds, as timm's default (the first tag's cfg) would.
        kwargs["pretrained_cfg"] = {**_cfg(arch.resolution), "architecture": architecture}
    return build_model_with_cfg(
        AlphaNet,
        architecture,
        pretrained,
        arch=arch,
        feature_cfg={"out_indices": (0, 1, 2, 3, 4), "flatten_sequential": True},
        **kwargs,
    )


def _is_tag(pretrained_cfg: Any) -> bool:
    return isinstance(pretrained_cfg, str) and bool(pretrained_cfg)


def _published_arch(published: Published, own: GivenArch | None, given: GivenArch | None) -> GivenArch | None:
    """The arch that the weights have; ValueError if the caller asks for another."""
    if own is not None and given is not None and read_arch(given) != read_arch(own):
        raise ValueError(f"{published.name} has arch {read_arch(own)}, not {read_arch(given)}; leave arch out")
    return given if own is None else own


@register_model
def alphanet_subnet(pretrained: bool = False, arch: GivenArch | None = None, **kwargs: Any) -> AlphaNet:
    """Any arch of the AttentiveNAS space; `arch` is an `Arch`, a dict of its fields, its printed form, or the path of
    a YAML file that holds the dict. Published weights bring their own.
    """
    return _create("alphanet_subnet", arch, pretrained, **kwargs)


def _preset(pretrained: bool, name: str, kwargs: dict[str, Any]) -> AlphaNet:
    return _create(f"alphanet_{name}", kwargs.pop("arch", None), pretrained, **kwargs)


@register_model
def alphanet_a0(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A0: 203 MFLOPs at 192 pixels."""
    return _preset(pretrained, "a0", kwargs)


@register_model
def alphanet_a1(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A1: 279 MFLOPs at 224 pixels."""
    return _preset(pretrained, "a1", kwargs)


@register_model
def alphanet_a2(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A2: 317 MFLOPs at 224 pixels."""
    return _preset(pretrained, "a2", kwargs)


@register_model
def alphanet_a3(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A3: 357 MFLOPs at 224 pixels."""
    return _preset(pretrained, "a3", kwargs)


@register_model
def alphanet_a4(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A4: 444 MFLOPs at 256 pixels."""
    return _preset(pretrained, "a4", kwargs)


@register_model
def alphanet_a5(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A5 (small): 491 MFLOPs at 256 pixels."""
    return _preset(pretrained, "a5", kwargs)


@register_model
def alphanet_a5_base(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A5 (base): 595 MFLOPs at 288 pixels."""
    return _preset(pretrained, "a5_base", kwargs)


@register_model
def alphanet_a6(pretrained: bool = False, **kwargs: Any) -> AlphaNet:
    """AlphaNet-A6: 709 MFLOPs at 288 pixels."""
    return _preset(pretrained, "a6", kwargs)


refresh_entries()
