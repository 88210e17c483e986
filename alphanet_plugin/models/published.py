"""How timm learns of what the store holds, and of the copies kept from a hub."""

from __future__ import annotations

import logging
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

from safetensors import safe_open
from timm.models import DefaultCfg, PretrainedCfg, register_model

from .. import hub, store
from ..errors import CheckpointError, HubError, NoWeightsError
from ..nearest import nearest
from ..spaces import Arch, SearchSpace

_logger = logging.getLogger(__name__)
_SOURCES = ("file", "url", "hf_hub_id", "state_dict")
_known: dict[str, tuple] = {}
_AMPLE = 2  # times the numbers of a weight file; a network has no more parameters


def register_published(module: ModuleType) -> list[store.Published]:
    """Tell timm the tags of every entry of `module`, which holds timm's `default_cfgs`, where they changed.

    The tags are those of the store and of the copies kept from ``ALPHANET_HUB``; of two that are called the same, the
    store's. Nothing is asked of the network.

    Returns:
        What the store holds.
    """
    entries = store.list_published()
    names = {entry.name for entry in entries}
    known = [*entries, *(copy for copy in hub.list_copies() if copy.name not in names)]
    for architecture, default_cfg in module.default_cfgs.items():
        own = [entry for entry in known if entry.architecture == architecture]
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
    entries: Sequence[store.Published], architecture: str, kwargs: Mapping[str, Any], *, ask_hub: bool
) -> store.Published | None:
    """The published weights that an entry point's arguments ask for; None where they bring their own source.

    Args:
        entries: What the store holds; it comes first.
        architecture: The entry's name.
        kwargs: What the entry point was given.
        ask_hub: Whether weights are loaded, so that ``ALPHANET_HUB`` may be asked for what the store lacks, else only
            copies kept from it answer; and files are compared with what was published.

    Raises:
        NoWeightsError: Neither the store nor the hub has such weights; the message tells the ways to get some.
        CheckpointError: The hub's weights are damaged, or files here are not what was published; or the store's are so
            damaged that they cannot be read.
    """
    given = kwargs.get("pretrained_cfg") or None
    wanted = told_tag(architecture, given) or given
    overlay = kwargs.get("pretrained_cfg_overlay") or {}
    if (wanted is not None and not isinstance(wanted, str)) or any(overlay.get(source) for source in _SOURCES):
        _check_folder(wanted, ask_hub)
        return None
    own = [entry for entry in entries if entry.architecture == architecture]
    found = _first(own, wanted)
    on_hub = ""
    if found is None:
        try:
            found = _from_hub(architecture, wanted, ask_hub)
        except HubError as error:
            on_hub = f", nor from {hub.VARIABLE}: {error}"
    if found is None:
        if damage := store.damage_of(architecture, wanted):
            raise CheckpointError(f"{damage}{on_hub}")
        raise NoWeightsError(_no_weights(architecture, wanted, own, entries, on_hub))
    if ask_hub:
        store.check_whole(found.folder, found.config)
    if wanted is None:
        place = "on the hub" if found.revision is not None else "in the store"
        what = "ImageNet weights" if found.is_imagenet else f"no ImageNet weights {place}; newest tag"
        _say_once(f"{architecture}: {what}, {found.name} from {found.folder}")
    return found


def told_tag(architecture: str, cfg: Any) -> str | None:
    """The tag of which timm has made this cfg, as for its scripts, which ask for a cfg by name before the model."""
    file = None if isinstance(cfg, str) else file_of(cfg)
    return next((tag for tag, weights, _ in _known.get(architecture, ()) if file and str(weights) == str(file)), None)


_said: set[str] = set()


def _say_once(text: str) -> None:
    """A process builds a network more than once, to ask what images it takes and to train it."""
    if text not in _said:
        _said.add(text)
        _logger.warning(text)


def check_size(space: SearchSpace, arch: Arch, file: Any) -> None:
    """Before a published network is built: ValueError if its config.json says one far larger than its weights.

    Args:
        space: The arch's.
        arch: As its config.json says.
        file: Its weights or their folder; anything else is not looked at.
    """
    path = Path(file) / store.WEIGHTS_FILE if file and Path(file).is_dir() else file
    if not path or not str(path).endswith(".safetensors") or not Path(path).is_file():
        return
    shapes = _shapes(Path(path))
    said, held = space.params(arch, num_classes=0, idle_shortcuts=False), sum(map(prod, shapes))
    if said > _AMPLE * held:
        raise ValueError(
            f"{path} holds {held:,} numbers, and {store.CONFIG_FILE} says a network of {said:,} parameters; publish it "
            "again"
        )
    longest = max((side for shape in shapes for side in shape), default=0)
    for name, side in _said_sides(Path(path).parent):
        if side > longest:
            raise ValueError(
                f"{name} in {store.CONFIG_FILE} is {side:,}, and no side of a tensor in {path} is longer than "
                f"{longest:,}; publish it again"
            )


def _shapes(path: Path) -> list[list[int]]:
    with safe_open(path, framework="numpy") as weights:
        return [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 - no mapping


def _said_sides(folder: Path) -> Iterator[tuple[str, int]]:
    """What the folder's config.json says of classes and of input channels, each a side of one of its tensors."""
    if not (folder / store.CONFIG_FILE).is_file():
        return
    config = store.read_folder_config(folder)
    for place, values in (
        ("", config),
        *((f"{key}.", config.get(key, {})) for key in ("pretrained_cfg", "model_args")),
    ):
        for name in ("num_classes", "in_chans"):
            if isinstance(values.get(name), int):
                yield f"{place}{name}", values[name]


def _check_folder(cfg: Any, loads: bool) -> None:
    """Of a folder by its path, ``local-dir:``: CheckpointError if it is not as it was published."""
    file = file_of(cfg)
    if not loads or not file:
        return
    folder = Path(file) if Path(file).is_dir() else Path(file).parent  # timm puts the folder there
    if (folder / store.CONFIG_FILE).is_file():
        store.check_whole(folder)


def file_of(cfg: Any) -> Any:
    """Where a cfg says that the weights lie; None where it does not."""
    return cfg.get("file") if isinstance(cfg, Mapping) else getattr(cfg, "file", None)


def _first(entries: Sequence[store.Published], tag: str | None) -> store.Published | None:
    return next((entry for entry in entries if tag in (None, entry.tag)), None)


def _from_hub(architecture: str, tag: str | None, ask: bool) -> store.Published | None:
    org = hub.organisation()
    if org is None:
        return None
    if ask:
        return hub.fetch(org, architecture, tag)
    copy = _first([copy for copy in hub.list_copies() if copy.architecture == architecture], tag)
    if copy is None:
        raise HubError(f"no copy from {org} is kept here, and only pretrained=True asks the hub for one")
    return copy


def _no_weights(
    architecture: str,
    wanted: str | None,
    own: Sequence[store.Published],
    entries: Sequence[store.Published],
    on_hub: str,
) -> str:
    name = f"{architecture}.{wanted}" if wanted else architecture
    known = ", ".join(entry.name for entry in own)
    near = nearest(name, [entry.name for entry in entries]) if wanted else None
    found = (f"it has {known}" if known else "it has none for this model") + (f"; did you mean {near}?" if near else "")
    return (
        f"no weights for {name} in the store {store.home()} ({found}){on_hub}. Ways to get some: `alphanet quickstart` "
        "trains, searches and publishes on this machine in minutes; `alphanet train --config YOUR.yaml` and then "
        "`alphanet publish RUN` do so on your images; `alphanet import CHECKPOINT --calibrate IMAGE_FOLDER` converts "
        "the released ImageNet supernets; set ALPHANET_HOME to a store you have; set "
        f"{hub.VARIABLE} to an organisation on the Hugging Face hub that has ORG/{architecture}.TAG; or load a "
        "published folder with timm.create_model('local-dir:FOLDER', pretrained=True)"
    )


def _pretrained_cfg(entry: store.Published) -> PretrainedCfg:
    # Weights come from the folder alone: a config.json that names another source of them does not send timm there.
    known = {field.name for field in fields(PretrainedCfg)} - {*_SOURCES, "source", "hf_hub_filename", "custom_load"}
    cfg = {key: value for key, value in entry.config.get("pretrained_cfg", {}).items() if key in known}
    if cfg.get("label_names") is None:  # timm writes them beside the cfg, and reads them into it
        cfg["label_names"] = entry.config.get("label_names")
    for key in ("input_size", "pool_size", "mean", "std"):
        if cfg.get(key) is not None:
            cfg[key] = tuple(cfg[key])
    return PretrainedCfg(**{**cfg, "file": str(entry.weights), "tag": entry.tag, "architecture": entry.architecture})
