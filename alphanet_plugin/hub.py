"""Published weights of one organisation on the Hugging Face hub, and the copies of them that this computer keeps.

``ALPHANET_HUB=ORG`` names the organisation or user. Only repositories ``ORG/ARCHITECTURE.TAG`` are ever asked for, and
of them only the files of a published folder; unset, nothing here opens a connection. The client is huggingface_hub, so
its environment holds: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, proxies.

A copy lies in ``hub/ORG/ARCHITECTURE.TAG/`` beside the store's ``models/``. It takes its place only when all of it has
come and its sha256 is the one that was published; until then what was there stays.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from . import store
from .atomic import atomic_folder
from .digest import digest, recorded_sha256
from .errors import AlphaNetError, CheckpointError, ConfigError, HubError, StoreError, how_to_write

VARIABLE = "ALPHANET_HUB"
_ORIGIN_FILE = "hub.json"
_TIMEOUT = 10.0  # seconds for an answer about a repository
_logger = logging.getLogger(__name__)


def organisation() -> str | None:
    """What ``ALPHANET_HUB`` names; None if it is unset or empty.

    Raises:
        ConfigError: It is no name of an organisation or user.
    """
    given = os.environ.get(VARIABLE, "").strip()
    return check_organisation(given, VARIABLE) if given else None


def check_organisation(name: str, given_as: str) -> str:
    """`name`, if the hub could have an organisation or user of that name.

    Raises:
        ConfigError: It could not; `given_as` says where the name came from.
    """
    if len(name) > 96 or not re.fullmatch(r"[A-Za-z0-9](?:[-_.]?[A-Za-z0-9])*", name):
        raise ConfigError(
            f"{given_as} must be the name of one organisation or user on the Hugging Face hub, such as my-lab "
            f"(no address, no slash), not {name!r}"
        )
    return name


def copy_folder(org: str, architecture: str, tag: str) -> Path:
    """Where the copy of that model is, or would be."""
    return store.home() / "hub" / org / f"{architecture}.{tag}"


def list_copies() -> list[store.Published]:
    """The copies kept of ``ALPHANET_HUB``'s models, in the store's order. Files only; none if the name is not valid."""
    try:
        org = organisation()
    except ConfigError:
        return []
    if org is None:
        return []
    return [_with_revision(copy) for copy in store.list_folder(store.home() / "hub" / org)]


def fetch(org: str, architecture: str, tag: str | None) -> store.Published:
    """A verified copy of ``ORG/ARCHITECTURE.TAG`` as the hub has it now; where it cannot say, the copy that is kept.

    Args:
        org: Organisation or user.
        architecture: timm's model name, such as ``alphanet_a4``.
        tag: None for ImageNet weights if the organisation has them, and else its newest tag.

    Raises:
        HubError: The hub has no such model, does not show or give it, or cannot be reached; and no copy is kept.
        CheckpointError: What came is not what was published. A copy that is kept stays.
        StoreError: The copy cannot be written.
    """
    kept = _kept(org, architecture, tag)
    try:
        repository = _ask_repository(org, architecture, tag or _choose_tag(org, architecture))
        return _current_copy(repository) or _download(repository)
    except HubError as error:
        if kept is None or not _is_whole(kept):
            raise
        _logger.warning("%s; using the copy of %s/%s kept in %s", error, org, kept.name, kept.folder)
        return kept


@dataclass(frozen=True)
class _Repository:
    """What the hub says of a repository.

    Attributes:
        revision: Commit hash.
        sha256: Of the weights, as the hub counts it; None if it does not say.
        files: Names of its files.
        modified: When it was last changed.
    """

    org: str
    architecture: str
    tag: str
    revision: str
    sha256: str | None
    files: frozenset[str]
    modified: datetime | None

    @property
    def name(self) -> str:
        return f"{self.org}/{self.architecture}.{self.tag}"


def _kept(org: str, architecture: str, tag: str | None) -> store.Published | None:
    copies = store.list_folder(store.home() / "hub" / org)
    wanted = (copy for copy in copies if copy.architecture == architecture and tag in (None, copy.tag))
    return next((_with_revision(copy) for copy in wanted), None)


def _current_copy(repository: _Repository) -> store.Published | None:
    """The copy of what the hub has now, if it is kept and whole."""
    kept = _kept(repository.org, repository.architecture, repository.tag)
    return kept if kept is not None and kept.revision == repository.revision and _is_whole(kept) else None


def _with_revision(copy: store.Published) -> store.Published:
    # Without a note of where it is from, the hub's next answer replaces the copy.
    return replace(copy, revision=_origin(copy).get("revision", ""))


def _is_whole(copy: store.Published) -> bool:
    """Whether a copy's weights still are what they were when they came; disks fail too."""
    try:
        store.check_whole(copy.folder, copy.config)
    except CheckpointError:
        return False
    return digest(copy.weights)["sha256"] == _origin(copy).get("sha256")


def _origin(copy: store.Published) -> dict[str, Any]:
    try:
        origin = json.loads((copy.folder / _ORIGIN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) else {}


def _choose_tag(org: str, architecture: str) -> str:
    """ImageNet weights first, else the newest of the organisation's repositories ``ARCHITECTURE.*``."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    # Not HfApi.list_models: without a network it tries again for half a minute, while a copy could answer.
    query = {"author": org, "search": architecture, "sort": "lastModified", "direction": "-1", "limit": "1000"}
    with hub_errors(f"{org}/{architecture}.*"):
        answer = get_session().get(
            f"{constants.ENDPOINT}/api/models", params=query, headers=build_hf_headers(), timeout=_TIMEOUT
        )
        hf_raise_for_status(answer)
        prefix = f"{org}/{architecture}.".casefold()
        listed = [(item["id"], item.get("lastModified") or "") for item in answer.json()]
    found = [(name[len(prefix) :], modified) for name, modified in listed if name.casefold().startswith(prefix)]
    if not found:
        raise HubError(f"the hub shows no repository {org}/{architecture}.*; {_ACCESS}")
    tags = [tag for tag, _ in sorted(found, key=lambda item: item[1], reverse=True)]
    claim = (tag for tag in tags if store.is_imagenet(tag))
    return next((tag for tag in claim if store.is_imagenet(tag, _ask_config(org, architecture, tag))), tags[0])


def _ask_config(org: str, architecture: str, tag: str) -> dict[str, Any]:
    """What a repository's config.json says now."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    name = f"{org}/{architecture}.{tag}"
    with hub_errors(name):
        answer = get_session().get(hf_hub_url(name, store.CONFIG_FILE), headers=build_hf_headers(), timeout=_TIMEOUT)
        hf_raise_for_status(answer)
        return dict(answer.json())


def _ask_repository(org: str, architecture: str, tag: str) -> _Repository:
    from huggingface_hub import HfApi

    name = f"{org}/{architecture}.{tag}"
    with hub_errors(name):
        info = HfApi().model_info(name, files_metadata=True, timeout=_TIMEOUT)
        siblings = {file.rfilename: file for file in info.siblings or ()}
    if info.id.casefold() != name.casefold():
        raise HubError(
            f"the hub answers for {name} with {info.id}; if that is what you want, set {VARIABLE} to its owner"
        )
    missing = [file for file in (store.CONFIG_FILE, store.WEIGHTS_FILE) if file not in siblings]
    if missing or not info.sha:
        raise HubError(
            f"{name} on the hub holds no published model: no {' and no '.join(missing) or 'commit'}; "
            "`alphanet publish RUN --hub ORG` makes one"
        )
    lfs: Any = siblings[store.WEIGHTS_FILE].lfs
    sha256 = lfs["sha256"] if lfs else None
    return _Repository(org, architecture, tag, info.sha, sha256, frozenset(siblings), info.last_modified)


def _download(repository: _Repository) -> store.Published:
    """Fetch, verify, and put in the place of what was kept; once, however many processes ask for it at a time."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import WeakFileLock

    folder = copy_folder(repository.org, repository.architecture, repository.tag)
    with _disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(folder.with_name(f".{folder.name}.lock")):
            if (copy := _current_copy(repository)) is not None:  # another process has fetched it meanwhile
                return copy
            with atomic_folder(folder) as beside:
                with hub_errors(repository.name):
                    for file in store.FILES:
                        if file in repository.files:
                            hf_hub_download(repository.name, file, revision=repository.revision, local_dir=beside)
                shutil.rmtree(beside / ".cache", ignore_errors=True)  # the client's notes
                _verify(repository, beside)
            return _with_revision(store.read_published(folder))


def _verify(repository: _Repository, folder: Path) -> None:
    """CheckpointError unless the weights are those that config.json and the hub tell of. Then note their origin."""
    name, weights = repository.name, folder / store.WEIGHTS_FILE
    found = digest(weights)["sha256"]
    try:
        config = json.loads((folder / store.CONFIG_FILE).read_text(encoding="utf-8"))
        expected = {sha for sha in (repository.sha256, recorded_sha256(config)) if sha}
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{store.CONFIG_FILE} of {name} is damaged: {error}; {_REFUSED}") from error
    if not expected:
        raise CheckpointError(f"nothing says which sha256 the weights of {name} must have; {_REFUSED}")
    for sha256 in expected - {found}:
        raise CheckpointError(f"the weights of {name} are damaged: sha256 {sha256} expected, {found} found; {_REFUSED}")
    try:
        store.read_published(folder, f"{repository.architecture}.{repository.tag}")
        store.check_whole(folder, config)
    except (OSError, ValueError, CheckpointError) as error:
        raise CheckpointError(f"what came of {name} is damaged: {error}; {_REFUSED}") from error
    if repository.modified is not None:
        changed = repository.modified.timestamp()
        os.utime(weights, (changed, changed))  # offline, the newest is the same
    origin = {"repository": name, "revision": repository.revision, "sha256": found}
    (folder / _ORIGIN_FILE).write_text(json.dumps(origin, indent=2), encoding="utf-8")


_ACCESS = "it does not exist, or is private or gated: if you may read it, run `hf auth login` or set HF_TOKEN"
_REFUSED = (
    "refused, and whatever copy was kept stays (HF_HUB_OFFLINE=1 uses it). Ask who published it to run "
    "`alphanet publish RUN --hub ORG` again"
)


@contextmanager
def hub_errors(name: str, writing: bool = False) -> Iterator[None]:
    """The client's errors about repository `name`, as a HubError that says what to do; the disk's as they are."""
    from huggingface_hub.errors import HTTPError

    try:
        yield
    except AlphaNetError:
        raise
    # RuntimeError is what its transfers of large files raise; the last three, an answer that no hub would give.
    except (HTTPError, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        if _is_of_disk(error):
            raise
        raise HubError(_explain(error, name, writing)) from error


def _explain(error: BaseException, name: str, writing: bool) -> str:
    """What an error of huggingface_hub about repository `name` means, and what to do, in one line."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    cause = error
    while cause.__cause__ is not None and not isinstance(cause, (HfHubHTTPError, OfflineModeIsEnabled)):
        cause = cause.__cause__
    reason = " ".join(str(cause).split()) or type(cause).__name__
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(error, HFValidationError):
        return f"{name} is no name that a repository on the hub can have: {reason}"
    if isinstance(cause, OfflineModeIsEnabled):
        return f"{name} was not asked for, as HF_HUB_OFFLINE forbids it; unset it to use the hub"
    if writing and status in (401, 403, 404):
        return f"the hub does not let you write {name}; run `hf auth login` or set HF_TOKEN to a token that may"
    if isinstance(cause, GatedRepoError):
        return f"{name} is gated: ask for access on its page, then run `hf auth login` or set HF_TOKEN"
    if status in (401, 404):
        return f"the hub shows no repository {name}; {_ACCESS}"
    if status == 403:
        return f"the hub refuses your token's access to {name}; run `hf auth login` or set HF_TOKEN to one that may"
    if status is not None:
        return f"the hub answered {status} about {name}; try again later ({reason})"
    if isinstance(error, (ValueError, LookupError, TypeError, AttributeError)) and not isinstance(error, OSError):
        return f"{constants.ENDPOINT} answered about {name} as no hub does; check HF_ENDPOINT and any proxy ({reason})"
    return f"the connection to {constants.ENDPOINT} about {name} failed; check the network and try again ({reason})"


def _is_of_disk(error: BaseException) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return isinstance(error, OSError) and (error.errno in full or error.filename is not None)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot keep a copy in {folder}: {error}; {how_to_write(error)}, or set ALPHANET_HOME"
        ) from error
