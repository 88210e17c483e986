"""The errors that a user sees. The command line prints their message on one line and exits with status 2."""

from __future__ import annotations

import errno
import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class AlphaNetError(Exception):
    """Base of this package's own errors; the message says on one line what is wrong and what to do."""

    def __init__(self, message: object = ""):
        super().__init__(" ".join(str(message).split()))


class ConfigError(AlphaNetError, ValueError):
    """A configuration file or an override is not valid."""


class DataError(ConfigError):
    """Images, or a folder of them, cannot be used as asked."""


class CheckpointError(AlphaNetError, RuntimeError):
    """A checkpoint or weight file is missing, damaged, or belongs to something else."""


class NoWeightsError(AlphaNetError, RuntimeError):
    """`pretrained=True` was asked for and no weights are known."""


class StoreError(AlphaNetError, RuntimeError):
    """The local store cannot be read or written."""


class HubError(AlphaNetError, RuntimeError):
    """The Hugging Face hub cannot be reached, or does not have or give what was asked for."""


class NonFiniteLossError(AlphaNetError, RuntimeError):
    """Training met a loss that is not finite and stopped."""


class SearchError(AlphaNetError, RuntimeError):
    """A search cannot be started or resumed as asked."""


class ExportError(AlphaNetError, RuntimeError):
    """A model cannot be exported as asked, or the exported file does not compute what the model does."""


class StudyError(AlphaNetError, RuntimeError):
    """A study cannot be run as asked, or some of its runs failed."""


class InUseError(AlphaNetError, RuntimeError):
    """Another process writes what this one was to write."""


class RanksError(AlphaNetError, RuntimeError):
    """One of several processes that work together died, or sees something else than the first."""


@contextmanager
def file_named(path: Path) -> Iterator[None]:
    """An error of the system that does not say of which file it is, as one of a full disk, names this one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def how_to_write(error: BaseException) -> str:
    """What to do where a file or folder could not be written, by what the system says of it."""
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "allow writing there"
    if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return "move what is in its place away"
    return "make room there"


def how_to_install(*packages: str, extra: str) -> str:
    """What to type where optional packages are missing, and the extra of this package that has them."""
    # In quotes for every shell: zsh, for one, takes a word with = for something else.
    quoted = " ".join(package if package.replace("-", "").isidentifier() else f"'{package}'" for package in packages)
    return f"pip install {quoted} (in a clone: pip install '.[{extra}]')"


def unreadable_because(error: BaseException) -> str:
    """What torch says of a file that it cannot read, on one line, without its advice to run what the file holds."""
    text = one_line(error, 400)
    return "it holds other things, or is no such file" if "weights_only" in text else text


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple = 3, 3, 5, 5
        self.maxstring, self.maxother = 60, 60


def brief(value: object) -> str:
    """`value` as an error message shows it: its repr where that is short, else its beginning and end."""
    try:
        text = _Brief().repr(value)
    except Exception:  # a repr that fails, such as that of a whole number of 5,000 digits
        return f"a {type(value).__name__}"
    return text if len(text) <= 120 else f"{text[:80]}...{text[-30:]}"


def few(names: Sequence[str], limit: int = 5, *, show: Callable[[str], str] = str) -> str:
    """The first of some names, and how many more there are."""
    shown = ", ".join(map(show, names[:limit]))
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def one_line(error: BaseException, limit: int = 1000) -> str:
    """What an error says, on one line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 200]} ... {text[-195:]}"
