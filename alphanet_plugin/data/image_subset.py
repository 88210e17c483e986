"""Some images of a source, each through one transform; which ones are held out, so that every class gives its share."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import AlphaNetError, ConfigError
from .open_image import unreadable
from .transforms import Transform

Indices = npt.NDArray[np.int64]
_TENTH = 0.1


def held_out_count(total: int, *, fraction: float | None, count: int | None, default: float) -> int:
    """How many of `total` images to hold out, from a fraction in (0, 1) or a count (0: none), whichever was given."""
    if fraction is not None and count is not None:
        raise ConfigError(
            f"data.search_fraction={fraction} and data.search_count={count} both say how much to hold out; "
            "give one of them"
        )
    if count is not None:
        if not 0 <= count < total:
            raise ConfigError(
                f"data.search_count must lie in 0..{total - 1} (there are {total} training images), not {count}; "
                "for a tenth: data.search_count=null and data.search_fraction=0.1"
            )
        return count
    fraction = default if fraction is None else fraction
    if not 0.0 < fraction < 1.0:
        raise ConfigError(f"data.search_fraction must lie between 0 and 1 (both excluded), not {fraction}")
    return max(1, round(total * fraction))


def _advice(total: int, most: int) -> str:
    """How to hold out no more than `most` of `total` images."""
    tenth = ", or a tenth: data.search_count=null and data.search_fraction=0.1"
    possible = max(1, round(total * _TENTH)) <= most
    return f"hold out at most {most}: data.search_fraction=null and data.search_count={most}{tenth if possible else ''}"


def stratified_holdout(
    labels: Sequence[int] | Indices, count: int, seed: int, names: Sequence[str] | None = None
) -> tuple[Indices, Indices]:
    """Split positions 0..N-1 into (kept, held out), both ascending, `count` of them held out.

    Each class gives its proportional share by largest remainder and keeps at least one image. With `names`, (N,), those
    of a class are chosen by a hash of `seed` and their names, so that one image more or less moves hardly another; else
    the choice depends on the labels, `count` and `seed` only.
    """
    labels = np.asarray(labels, dtype=np.int64)
    classes, sizes = np.unique(labels, return_counts=True)
    if count > len(labels) - len(classes):
        raise ConfigError(
            f"cannot hold {count} of {len(labels)} images out and leave one to each of {len(classes)} classes; "
            f"{_advice(len(labels), len(labels) - len(classes))}"
        )
    rng = np.random.default_rng(seed)
    rank = None if names is None else np.asarray([_hash(seed, name) for name in names])
    chosen = []
    for label, share in zip(classes, _shares(sizes, count), strict=True):
        members = np.flatnonzero(labels == label)
        order = rng.permutation(members) if rank is None else members[np.argsort(rank[members], kind="stable")]
        chosen.append(order[:share])
    held = np.zeros(len(labels), dtype=bool)
    held[np.concatenate(chosen)] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest()


def _shares(sizes: Indices, count: int) -> Indices:
    """Whole shares that sum to `count`, within one of proportional wherever a class can spare that many."""
    exact = sizes * count / sizes.sum()
    shares = np.minimum(np.floor(exact).astype(np.int64), sizes - 1)
    while (missing := count - int(shares.sum())) > 0:
        room = np.flatnonzero(shares < sizes - 1)
        neediest = room[np.argsort(shares[room] - exact[room], kind="stable")]
        shares[neediest[:missing]] += 1
    return shares


class ImageSource(Protocol):
    """Decoded images by position, with names and labels that are known without decoding."""

    labels: Indices
    """(N,) in 0..K-1."""
    class_names: tuple[str, ...]
    names: list[str]
    """(N,) what tells an image from the others, whatever becomes of them: its file below the folder, for one."""

    def image(self, position: int) -> Image.Image:
        """The RGB image at `position`."""
        ...

    def stamp(self, position: int) -> str:
        """A short text that another image, or another label, of that name would not have."""
        ...


class ImageSubset(Dataset[tuple[Tensor, int]]):
    """The images of `source` at `positions`, each through `transform`."""

    def __init__(self, source: ImageSource, positions: Indices, transform: Transform) -> None:
        self.source = source
        self.positions = positions
        self.transform = transform

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        position = int(self.positions[index])
        try:
            return self.transform(self.source.image(position)), int(self.source.labels[position])
        except AlphaNetError:
            raise
        except Exception as error:  # of a transform, for an image of a shape that it cannot take
            raise unreadable(self.source.names[position], error) from error
