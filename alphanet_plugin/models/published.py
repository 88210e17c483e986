"""How timm learns of what the store holds."""

from __future__ import annotations

import logging
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import ModuleType
from typing import Any

from timm.models import DefaultCfg, PretrainedCfg, register_model

from .. import store
from ..errors import NoWeightsError

_logger = logging.getLogger(__name__)
_SOURCES = ("file", "url", "hf_hub_id", "state_dict")
_known: dict[str, tuple] = {}


def register_published(module: ModuleType) -> list[store.Published]:
    """Tell timm the store's tags of every entry of `module`, which holds timm's `default_cfgs`, where they changed.

    Returns:
        What the store holds.
    """
    entries = store.list_published()
    for architecture, default_cfg in module.default_cfgs.items():
        own = [entry for entry in entries if entry.architecture == architecture]
        state = tuple((entry.tag, entry.weights, entry.published_ns) for entry in own)
        if _known.get(architecture, ()) == state:
            continue
        _known[architecture] = state
        cfgs = {entry.tag: _pretrained_cfg(entry) for entry in own}
        module.default_cfgs[architecture] = DefaultCfg(
            tags=deque(cfgs or [""]), cfgs={**cfgs, "": default_cfg.cfgs[""]}, is_pretrained=bool(own)
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=f"Overwriting {architecture} in registry")
            register_model(getattr(module, architecture))
    return entries


def choose_published(
    entries: Sequence[store.Published], architecture: str, kwargs: Mapping[str, Any]
) -> store.Published | None:
    """The one of the store's entries that an entry point's arguments ask for; None where they bring their own source.

    Raises:
        NoWeightsError: The store has no such weights; the message tells the ways to get some.
    """
    wanted = kwargs.get("pretrained_cfg")
    overlay = kwargs.get("pretrained_cfg_overlay") or {}
    if (wanted is not None and not isinstance(wanted, str)) or any(overlay.get(source) for source in _SOURCES):
        return None
    own = [entry for entry in entries if entry.architecture == architecture]
    for entry in own:
        if wanted in (None, "", entry.tag):
            if not wanted:
                what = (
                    "ImageNet weights"
                    if store.is_imagenet(entry.tag)
                    else "no ImageNet weights in the store; newest tag"
                )
                _logger.warning("%s: %s, %s from %s", architecture, what, entry.name, entry.folder)
            return entry
    raise NoWeightsError(_no_weights(architecture, wanted, [entry.name for entry in own]))


def _no_weights(architecture: str, wanted: str | None, known: list[str]) -> str:
    name = f"{architecture}.{wanted}" if wanted else architecture
    found = f"it has {', '.join(known)}" if known else "it has none for this model"
    return (
        f"no weights for {name} in the store {store.home()} ({found}). Ways to get some: `alphanet quickstart` trains, "
        "searches and publishes on this machine in minutes; `alphanet train --config YOUR.yaml` and then "
        "`alphanet publish RUN` do so on your images; set ALPHANET_HOME to a store you have; or load a published "
        "folder with timm.create_model('local-dir:FOLDER', pretrained=True)"
    )


def _pretrained_cfg(entry: store.Published) -> PretrainedCfg:
    known = {field.name for field in fields(PretrainedCfg)}
    cfg = {key: value for key, value in entry.config.get("pretrained_cfg", {}).items() if key in known}
    if cfg.get("label_names") is None:  # timm writes them beside the cfg, and reads them into it
        cfg["label_names"] = entry.config.get("label_names")
    for key in ("input_size", "pool_size", "mean", "std"):
        if cfg.get(key) is not None:
            cfg[key] = tuple(cfg[key])
    return PretrainedCfg(**{**cfg, "file": str(entry.weights), "tag": entry.tag, "architecture": entry.architecture})
