"""Uploading published folders to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from .. import store
from ..digest import digest, recorded_sha256
from ..errors import CheckpointError, HubError, StoreError
from ..hub import check_organisation, hub_errors


def check_upload(org: str) -> None:
    """Find out before hours of work that an upload cannot succeed. Asks no network.

    Raises:
        ConfigError: `org` is no name of an organisation or user.
        HubError: There is no token.
    """
    from huggingface_hub import get_token

    check_organisation(org, "--hub")
    if not get_token():
        raise HubError("uploading needs a token that may write: run `hf auth login` or set HF_TOKEN, then try again")


def push_to_hub(folder: Path, org: str, private: bool = False) -> str:
    """Upload one published folder to ``ORG/ARCHITECTURE.TAG``, in one commit; safetensors only.

    The repository is made if it is not there. Doing it again is harmless: what has not changed is not sent.

    Args:
        folder: As `publish` returns it, named ``ARCHITECTURE.TAG``.
        org: Organisation or user.
        private: Make the repository private.

    Returns:
        The repository's address.

    Raises:
        ConfigError: `org` is no name of an organisation or user.
        StoreError: The folder holds no published model, or its weights are not those that were published.
        HubError: It could not be uploaded; the hub then shows what it showed before.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    name = f"{check_organisation(org, '--hub')}/{folder.name}"
    _check(folder)
    operations = [
        CommitOperationAdd(path_in_repo=file, path_or_fileobj=folder / file)
        for file in store.FILES
        if (folder / file).is_file()
    ]
    with hub_errors(name, writing=True):
        api = HfApi()
        address = api.create_repo(name, private=private or None, exist_ok=True)
        if private and not api.model_info(name).private:
            raise HubError(
                f"{name} is there already and is public; make it private on its page, or leave --private out"
            )
        api.create_commit(name, operations, commit_message=f"Publish {folder.name}")
    return str(address)


def _check(folder: Path) -> None:
    try:
        published = store.read_published(folder)
        found, expected = digest(published.weights)["sha256"], recorded_sha256(published.config)
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} holds no published model ({error}); publish it first") from error
    if found != expected:
        raise StoreError(f"{published.weights} has sha256 {found}, not {expected} as published; publish it again")
    try:
        store.check_whole(folder, published.config)
    except CheckpointError as error:
        raise StoreError(str(error)) from error
