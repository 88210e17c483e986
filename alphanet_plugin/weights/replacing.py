"""Whose models a tag of the store has, and which of them go when others are published under it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from .. import store
from ..errors import StoreError
from ..models import family_of_entry, refresh_entries

_OF_FRONT = re.compile(r"(\d+p\d+[mx](_\d+)?)?")  # what follows a tag in the names of one run's models


def check_replaceable(tag: str, own: Mapping[str, str], names: Iterable[str]) -> None:
    """StoreError if another run's models have the tag; it says whose, and how to replace them.

    Args:
        tag: That is to be published under.
        own: ``id`` and ``name`` of the run, or of the imported checkpoint, that publishes.
        names: What is to be published, as ``ENTRY.TAG``.
    """
    refuse_taken(tag, {entry.name: entry.run for entry in _others(tag, own, names)})


def refuse_taken(tag: str, taken: Mapping[str, Mapping[str, str]]) -> None:
    """StoreError if anything of `taken`, name -> ``id`` and ``name`` of the run that wrote it, has the tag."""
    if not taken:
        return
    whose = sorted({f"run {run['name']} ({run['id']})" if run else "a run that is not recorded"
                    for run in taken.values()})  # fmt: skip
    raise StoreError(
        f"the tag {tag} is taken: {', '.join(sorted(taken))} in {store.home()} {'is' if len(taken) == 1 else 'are'} of "
        f"{' and '.join(whose)}; give another --tag, or --replace to put yours in the place of all of them"
    )


@contextmanager
def published_under(tag: str, own: Mapping[str, str], names: Iterable[str], *, replace: bool) -> Iterator[None]:
    """Own the tag while `names` are published under it; another run's models go when the block has ended well.

    Args:
        tag: The tag.
        own: As `check_replaceable` takes it.
        names: What is published, as ``ENTRY.TAG``.
        replace: Whether another run's models may go.

    Raises:
        StoreError: Another run's models have the tag, and `replace` is False.
        InUseError: Another process is publishing under the tag.
    """
    names = set(names)
    with store.owned_tag(tag):
        if not replace:
            check_replaceable(tag, own, names)
        others = _others(tag, own, names)
        yield
        for entry in others:
            if entry.name not in names:
                shutil.rmtree(entry.folder, ignore_errors=True)
        refresh_entries()


def _others(tag: str, own: Mapping[str, str], names: Iterable[str]) -> list[store.Published]:
    """Models in the store under `tag`, of the families of `names`, that another run than `own` has published."""
    families = set(map(_family, names))
    return [
        entry
        for entry in store.list_published()
        if (entry.tag == tag or (entry.tag.startswith(f"{tag}_") and _OF_FRONT.fullmatch(entry.tag[len(tag) + 1 :])))
        and _family(entry.architecture) in families
        and entry.run.get("id") != own["id"]
    ]


def _family(name: str) -> str:
    """The family, by the name of its card, of a model ``ENTRY`` or ``ENTRY.TAG``; empty for a model of timm's own."""
    entry = name.partition(".")[0]
    family = family_of_entry(entry)
    return "" if family is None else family.card
