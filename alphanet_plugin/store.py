"""Where published weights lie on this computer, and how they are found. Files only.

The store is a folder, ``$ALPHANET_HOME`` or the user's data directory, with one folder a published model:
``models/ARCHITECTURE.TAG/`` holding ``model.safetensors``, ``README.md``, ``pareto.png`` where a search drew one, and
written last ``config.json``: as `timm.models.push_to_hf_hub` writes it, with the sha256 of all files beside.
Imported supernets lie beside them in ``supernets/FAMILY.TAG/``, copies from a hub in ``hub/ORG/ARCHITECTURE.TAG/``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from safetensors import SafetensorError, safe_open

from .atomic import remove_leftovers
from .digest import damaged_files, digest_files, json_digest
from .errors import CheckpointError, StoreError, brief, how_to_write
from .owner import owned

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CARD_FILE = "README.md"
PICTURE_FILE = "pareto.png"
FILES = (WEIGHTS_FILE, CONFIG_FILE, CARD_FILE, PICTURE_FILE)
"""All that a published folder may hold."""


_IMAGENET = {"in1k": 1000, "in22k": 21841}  # classes
_MOST_CLASSES = 1_000_000
_SYNSET = re.compile(r"n\d{8}")


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published model.

    Attributes:
        architecture: timm's model name, such as ``alphanet_a4``.
        tag: What distinguishes its weights, such as ``digits``.
        folder: Where its files are.
        config: What ``config.json`` holds.
        published_ns: When its weights were written, in nanoseconds of the file system's clock.
        revision: Of a copy from a hub: the commit that it is a copy of.
    """

    architecture: str
    tag: str
    folder: Path
    config: dict[str, Any]
    published_ns: int
    revision: str | None = None

    @property
    def name(self) -> str:
        """What `timm.create_model` takes."""
        return f"{self.architecture}.{self.tag}"

    @property
    def is_imagenet(self) -> bool:
        """Whether its weights were trained on ImageNet."""
        return is_imagenet(self.tag, self.config)

    @property
    def trained_on(self) -> str:
        """Such as ``digits, 10 classes, images of 24 pixels``, as far as it is known."""
        size = self.config.get("pretrained_cfg", {}).get("input_size")
        parts = [
            self.dataset,
            f"{classes} classes" if (classes := self.config.get("num_classes")) else "",
            f"images of {size[-1]} pixels" if size else "",
        ]
        return ", ".join(part for part in parts if part) or "nothing is recorded of the images"

    @property
    def dataset(self) -> str:
        """Name of the data set that its weights were trained on; empty if it is not recorded."""
        return str(_training(self.config).get("dataset", ""))

    @property
    def run(self) -> Mapping[str, str]:
        """``id`` and ``name`` of the run that published it; empty if they are not recorded."""
        run = _training(self.config).get("run")
        return run if isinstance(run, Mapping) else {}

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS_FILE


def home() -> Path:
    """``$ALPHANET_HOME``, or ``alphanet`` in the user's data directory."""
    given = os.environ.get("ALPHANET_HOME")
    return Path(given).expanduser() if given else platformdirs.user_data_path("alphanet", appauthor=False)


def model_folder(architecture: str, tag: str) -> Path:
    """Where a model of that name is, or would be."""
    return home() / "models" / f"{architecture}.{tag}"


def check_tag(tag: str) -> None:
    """ValueError if `tag` cannot be part of a folder's and of a timm model's name."""
    if not tag or not all(letter.isalnum() or letter in "_-" for letter in tag):
        raise ValueError(f"a tag is letters, digits, '_' and '-', such as 'digits', not {tag!r}")


@contextmanager
def owned_tag(tag: str) -> Iterator[None]:
    """Own a tag of the store while the block runs: one process at a time publishes under it.

    Raises:
        InUseError: Another process does; the message says which.
        StoreError: The store cannot be written.
    """
    with ExitStack() as stack:
        try:
            lock = home() / "models" / f".{tag}.lock"
            stack.enter_context(owned(lock, f"the tag {tag} in {home()}", "give another --tag"))
        except OSError as error:
            raise StoreError(
                f"cannot publish to {home()}: {error}; {how_to_write(error)}, or set ALPHANET_HOME"
            ) from error
        remove_leftovers(home() / "models")
        yield


def with_digests(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A ``config.json`` that lists all files that `folder` holds now, and itself; it is to be written last."""
    files = {name: listed for name, listed in digest_files(folder).items() if name != CARD_FILE}
    card = {"card_sha256": _card_sha256(folder)} if (folder / CARD_FILE).is_file() else {}
    listed = {**config, "files": files, **card}
    return {**listed, "config_sha256": _config_sha256(listed)}


def check_whole(folder: Path, config: Mapping[str, Any] | None = None) -> None:
    """Compare a folder with what was published. A card or a picture that was changed since then is a warning.

    Folders of earlier versions list their weights alone, or nothing, which then is not compared.

    Args:
        folder: The folder of a published network or supernet.
        config: Its ``config.json``, if that was read already.

    Raises:
        CheckpointError: The weights or the configuration are not what was published.
        OSError, ValueError: There is no configuration to compare with.
    """
    config = read_folder_config(folder) if config is None else config
    listed, ours, own = config.get("files"), config.get("alphanet"), config.get("config_sha256")
    if listed is None and isinstance(ours, Mapping) and "sha256" in ours:
        listed = {WEIGHTS_FILE: ours}
    if own is not None and own != _config_sha256(config):
        raise _damaged(folder, f"{CONFIG_FILE} is not what was written (its sha256 differs)")
    try:
        damage = list(damaged_files(folder, listed)) if listed is not None else []
    except ValueError as error:
        raise _damaged(folder, f"{CONFIG_FILE}: {error}") from error
    shown = [text for text in damage if text.startswith(f"{PICTURE_FILE} ")]
    if len(shown) < len(damage):
        raise _damaged(folder, "; ".join(damage))
    if config.get("card_sha256") not in (None, _card_sha256(folder)):
        shown.append(f"{CARD_FILE} is not what was written")
    if shown:
        warnings.warn(f"{folder}: {'; '.join(shown)}; the model itself is whole", stacklevel=3)


def _damaged(folder: Path, damage: str) -> CheckpointError:
    return CheckpointError(
        f"{folder} is damaged: {damage}. Publish or import it again, or if it is a copy from a hub, delete it to fetch "
        "it anew"
    )


def _card_sha256(folder: Path) -> str:
    """Of a card's lines but those that tell a latency, which is another each time; empty without a card."""
    try:
        lines = (folder / CARD_FILE).read_bytes().splitlines()
    except OSError:
        return ""
    return hashlib.sha256(b"\n".join(line for line in lines if b"latency" not in line.lower())).hexdigest()


def _config_sha256(config: Mapping[str, Any]) -> str:
    values = {key: value for key, value in config.items() if key != "config_sha256"}
    return json_digest(values)


def supernet_folder(family: str, tag: str) -> Path:
    """Where a supernet of that name is, or would be."""
    return home() / "supernets" / f"{family}.{tag}"


def damage_of(architecture: str, tag: str | None) -> str:
    """What to say of a model of the store that is there and cannot be read; empty where there is none.

    Args:
        architecture: timm's model name.
        tag: None for any.
    """
    for folder in sorted((home() / "models").glob(f"{architecture}.{tag or '*'}")):
        try:
            read_published(folder)
        except (OSError, ValueError) as error:
            return f"{folder} is damaged ({error}); publish it again or delete it"
    return ""


def list_published() -> list[Published]:
    """What the store holds, ImageNet weights first, then the newest first; damaged entries are named and left out."""
    return list_folder(home() / "models")


def list_folder(root: Path) -> list[Published]:
    """The published folders in `root`, in the store's order; damaged ones are named in a warning and left out."""
    try:
        folders = list(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        warnings.warn(f"the store {root} cannot be read: {error}", stacklevel=3)
        return []
    found = [entry for folder in folders if (entry := _read_or_warn(folder)) is not None]
    return sorted(found, key=lambda entry: (not entry.is_imagenet, -entry.published_ns, entry.name))


def is_imagenet(tag: str, config: Mapping[str, Any] | None = None) -> bool:
    """Whether weights were trained on ImageNet: by the classes and the data set that their ``config.json`` names.

    Where that names neither, as without a `config`, the tag says it in timm's way: ``fb_in1k``, ``in22k_ft_in1k``.
    """
    config = config or {}
    names, classes = config.get("label_names"), config.get("num_classes")
    if classes is not None and classes not in _IMAGENET.values():
        return False
    if isinstance(names, list) and len(names) == classes and all(_SYNSET.fullmatch(str(name)) for name in names):
        return True
    dataset = str(_training(config).get("dataset", ""))
    if dataset and dataset != "folder":
        return "imagenet" in dataset.lower()
    return tag.split("_")[-1].split("-")[0] in _IMAGENET


def read_published(folder: Path, name: str | None = None) -> Published:
    """What `folder` holds.

    Args:
        folder: A published folder.
        name: ``ARCHITECTURE.TAG``; by default the folder's name.

    Raises:
        OSError, ValueError: Its files are missing, or damaged so that their headers show it.
    """
    architecture, _, tag = (name or folder.name).partition(".")
    config = read_folder_config(folder)
    try:
        # Opening reads the header alone, and compares what it says with the file's length.
        with safe_open(folder / WEIGHTS_FILE, framework="numpy"):
            published_ns = (folder / WEIGHTS_FILE).stat().st_mtime_ns
    except SafetensorError as error:
        raise ValueError(f"{WEIGHTS_FILE}: {error}") from error
    return Published(architecture=architecture, tag=tag, folder=folder, config=config, published_ns=published_ns)


def _training(config: Mapping[str, Any]) -> Mapping[str, Any]:
    training = config.get("training")
    return training if isinstance(training, Mapping) else {}


def _read_or_warn(folder: Path) -> Published | None:
    architecture, _, tag = folder.name.partition(".")
    if not architecture or not tag or not folder.is_dir():  # what is being written starts with a dot
        return None
    try:
        return read_published(folder)
    except (OSError, ValueError) as error:
        warnings.warn(f"left out of the store: {folder} ({error}); publish it again or delete it", stacklevel=4)
        return None


def read_folder_config(folder: Path) -> dict[str, Any]:
    """A folder's ``config.json``; OSError or ValueError where `timm.models.save_for_hf` cannot have written it."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{CONFIG_FILE} is nested too deeply") from error
    _check_config(config)
    return config


def _check_config(config: Any) -> None:
    """ValueError if `config` cannot be what `timm.models.save_for_hf` writes."""
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG_FILE} holds no table")
    if not isinstance(name := config.get("architecture", ""), str):
        raise ValueError(f"architecture in {CONFIG_FILE} is {brief(name)}, not a model's name")
    for key in ("pretrained_cfg", "model_args"):
        if not isinstance(config.get(key, {}), dict):
            raise ValueError(f"{key} in {CONFIG_FILE} is no table")
    for key in ("input_size", "pool_size", "mean", "std"):
        if not isinstance(config.get("pretrained_cfg", {}).get(key, []), (list, type(None))):
            raise ValueError(f"{key} in {CONFIG_FILE} is no list")
    for place, values in (("", config), ("pretrained_cfg.", config.get("pretrained_cfg", {}))):
        classes, names = values.get("num_classes"), values.get("label_names")
        if classes is not None and (type(classes) is not int or not 0 <= classes <= _MOST_CLASSES):
            raise ValueError(f"{place}num_classes in {CONFIG_FILE} is {brief(classes)}, not a number of classes")
        if not isinstance(names, (list, dict, type(None))):
            raise ValueError(f"{place}label_names in {CONFIG_FILE} is no list")
    size = config.get("pretrained_cfg", {}).get("input_size")
    if size is not None and not (len(size) == 3 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError(f"input_size in {CONFIG_FILE} is {brief(size)}, not three numbers of pixels and channels")
