"""What a mistyped word or path was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 60  # characters of a word that are compared, so that a long one takes no time


def did_you_mean(word: object, known: Iterable[str], otherwise: str | None = None) -> str:
    """What to add to a message about an unknown word.

    Args:
        word: What came.
        known: What it could be.
        otherwise: To say where no known word is near; None to list them all.

    Returns:
        "did you mean 'x'?", or else "known are x, y".
    """
    known = list(known)
    near = nearest(word, known)
    if near is not None:
        return f"did you mean {near!r}?"
    if otherwise is not None:
        return otherwise
    return f"known are {', '.join(known)}" if known else "there is none"


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that is nearest to `word`; None where none is near. Upper and lower case are the same."""
    by_lower = {one.lower(): one for one in reversed(list(known))}
    near = difflib.get_close_matches(str(word)[:_LONGEST].lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def nearest_path(path: str | Path, root: Path = Path()) -> Path | None:
    """What exists under the name nearest to a path that does not, folder by folder; relative paths begin in `root`."""
    found = Path(Path(path).anchor)
    for part in Path(path).relative_to(found).parts:
        if not (root / found / part).exists():
            part = nearest_name(part, _names_in(root / found))
            if part is None:
                return None
        found /= part
    return found


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """As `nearest`, of names of files, which a common ending alone does not bring near."""
    stem = Path(name).stem
    return nearest(name, [one for one in known if nearest(stem, [Path(one).stem])])


def path_hint(path: str | Path) -> str:
    """What to add to a message about a path that does not exist: '; did you mean ...?', or nothing."""
    near = None if Path(path).exists() else nearest_path(path)
    return "" if near is None else f"; did you mean {near}?"


def _names_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except (OSError, ValueError):
        return []
