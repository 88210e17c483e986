"""A folder laid out as ImageNet: root/train/CLASS/*.jpg and root/val/CLASS/*.jpg."""

from __future__ import annotations

import logging
import os
import zlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image
from timm.utils.misc import natural_key

from ..errors import DataError, few
from ..nearest import path_hint
from .open_image import image_suffixes, open_image, refuse_pipe

LAYOUT = "expected ROOT/train/CLASS/*.jpg and ROOT/val/CLASS/*.jpg (or ROOT/validation/...)"
FIRST_SUFFIXES = frozenset((".jpg", ".jpeg", ".png"))  # all that counted for runs that kept no images.json
_READ = 1 << 16  # bytes of a file that its stamp is made of, beside its size
_PARTS = ("train", "val", "validation")
_MANY = 50_000  # images of which sizes alone are looked at

logger = logging.getLogger(__name__)
_said: set[str] = set()


def total_order(name: str) -> tuple[list[int | str], str]:
    """Sorts names as timm does (``class2`` before ``class10``), and those that timm calls equal by their letters."""
    return natural_key(name), name


class FolderSource:
    """The images below a folder, in one order everywhere.

    Attributes:
        folder: The folder.
        names: Paths below it with ``/``, in `total_order`.
        labels: (N,) places of the images' folders in `class_names`.
        class_names: The folders that hold images, in `total_order`.
        skipped: Files that are no images that Pillow reads here, hidden ones left out.
    """

    def __init__(
        self, folder: Path, suffixes: Collection[str] | None = None, classes: Collection[str] | None = None
    ) -> None:
        self.folder = folder
        self.names, self.skipped = _files(folder, image_suffixes() if suffixes is None else suffixes, classes)
        if not self.names:
            raise DataError(f"Found 0 images below {str(folder)!r}{_kinds_of(self.skipped)}; add images")
        folders = [name.rpartition("/")[0] for name in self.names]
        self.class_names = tuple(sorted(set(folders), key=total_order))
        place = {name: number for number, name in enumerate(self.class_names)}
        self.labels = np.asarray([place[name] for name in folders], dtype=np.int64)

    def image(self, position: int) -> Image.Image:
        return open_image(self._filename(position))

    def stamp(self, position: int) -> str:
        """The file's size, and unless there are very many files a checksum of its first 64 KiB."""
        path = self._filename(position)
        try:
            found = os.stat(path)
            refuse_pipe(found.st_mode)
            size = found.st_size
            if not size:
                raise DataError(f"image {path} is empty (0 bytes); repair or remove the file")
            if len(self.names) > _MANY:
                return str(size)
            with open(path, "rb") as file:
                return f"{size} {zlib.crc32(file.read(_READ)):08x}"
        except OSError as error:
            raise DataError(f"image {path} cannot be read ({error.strerror or error})") from error

    def say_skipped(self) -> None:
        """Name what was left out, once a process and by the main rank alone."""
        if self.skipped and os.environ.get("RANK", "0") == "0" and str(self.folder) not in _said:
            _said.add(str(self.folder))
            logger.warning("%s: %s", self.folder, _kinds_of(self.skipped).lstrip("; "))

    def _filename(self, position: int) -> str:
        return str(self.folder / self.names[position])


def open_folder(
    root: str | Path | None, suffixes: Collection[str] | None = None, classes: Collection[str] | None = None
) -> tuple[FolderSource, FolderSource]:
    """(training images, test images) of the folder; of `val` and `validation` the first that exists is the test.

    Args:
        root: The folder.
        suffixes: Of files that count as images; by default of all that Pillow reads here.
        classes: Names of the class folders that are used; None for all.
    """
    root = _existing_root(root)
    train = open_class_folders(_existing(root, "train"), suffixes, classes)
    if len(train.class_names) == 1:
        raise DataError(
            f"{str(root / 'train')!r} has one class folder, {train.class_names[0]!r}, and images of one class leave "
            f"nothing to tell apart; {LAYOUT}"
        )
    test = open_class_folders(_existing(root, "val", "validation"), suffixes, classes)
    _check_same_classes(root, train.class_names, test.class_names)
    return train, test


def open_test_folder(root: str | Path | None) -> FolderSource:
    """The test images of such a folder alone."""
    return open_class_folders(_existing(_existing_root(root), "val", "validation"))


def open_class_folders(
    folder: Path, suffixes: Collection[str] | None = None, classes: Collection[str] | None = None
) -> FolderSource:
    """The images of a folder of class folders, each of which must have some; of `classes` alone if they are given."""
    folders = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    if classes is not None:
        if missing := sorted(set(classes) - folders, key=total_order):
            raise DataError(
                f"class {few(missing, show=repr)} of data.classes has no folder in {str(folder)!r}; {LAYOUT}"
            )
        folders = set(classes)
    if not folders:
        raise DataError(f"{str(folder)!r} has no class folders; {LAYOUT}")
    if unreadable := sorted(name for name in folders if not _is_text(name)):
        raise DataError(
            f"class folder {few(unreadable, show=repr)} in {str(folder)!r} has a name that is no UTF-8; rename it"
        )
    source = FolderSource(folder, suffixes, classes)
    if stray := [name for name in source.class_names if name not in folders]:
        where = f"below folder {few(stray, show=repr)}"
        where = where if any(stray) else "beside the class folders"
        raise DataError(f"{str(folder)!r} has images {where}, outside the class folders; move them: {LAYOUT}")
    if empty := sorted(folders - set(source.class_names), key=total_order):
        others = [name for name in source.skipped if name.partition("/")[0] in empty]
        raise DataError(
            f"class {few(empty, show=repr)} in {str(folder)!r} has no images of its own{_kinds_of(others)}; add images "
            "or remove the folder"
        )
    source.say_skipped()
    return source


def _files(
    folder: Path, suffixes: Collection[str], classes: Collection[str] | None = None
) -> tuple[list[str], list[str]]:
    """(images, other files) below a folder, links followed, hidden ones left out."""
    images, others = [], []
    for where, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        below = os.path.relpath(where, folder).replace(os.sep, "/")
        wanted = classes if below == "." else None
        folders[:] = [name for name in folders if name in wanted] if wanted else _shown(folders)
        for name in files:
            if not name.startswith("."):
                kind = images if os.path.splitext(name)[1].lower() in suffixes else others
                kind.append(name if below == "." else f"{below}/{name}")
    return sorted(images, key=total_order), sorted(others, key=total_order)


def _shown(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]


def _refuse(error: OSError) -> None:
    raise DataError(f"folder {error.filename} cannot be read ({error.strerror}); its images would be missing")


def _kinds_of(skipped: list[str]) -> str:
    """``; 3 files are skipped, ...`` with their suffixes and one name; empty for none."""
    if not skipped:
        return ""
    kinds = Counter(os.path.splitext(name)[1].lower() or "no suffix" for name in skipped)
    shown = ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common(5))
    what = "1 file is skipped" if len(skipped) == 1 else f"{len(skipped)} files are skipped"
    return f"; {what}, of kinds that are no images Pillow reads here ({shown}), such as {skipped[0]}"


def _existing_root(root: str | Path | None) -> Path:
    if root is None:
        raise DataError(f"data set 'folder' needs a root; {LAYOUT}")
    root = Path(root).expanduser()
    if root.is_file():
        raise DataError(f"data folder {str(root)!r} is a file; {LAYOUT}")
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} does not exist{path_hint(root)}; {LAYOUT}")
    return root


def _existing(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    wanted = " or ".join(f"{name}/" for name in names)
    beside = _shown(sorted(folder.name for folder in root.iterdir() if has_folders(folder)))
    others = [name for name in beside if name not in _PARTS]
    one = "that" if len(others) == 1 else "one of them"
    hint = f", but class folders in {few(others, show=repr)}: rename {one} to {names[0]}"
    raise DataError(f"{str(root)!r} has no {wanted}{hint if others else ''}; {LAYOUT}")


def has_folders(folder: Path) -> bool:
    """Whether folders lie in a folder, as those of classes do in a part of a data set."""
    return folder.is_dir() and any(inside.is_dir() for inside in folder.iterdir())


def _check_same_classes(root: Path, train: tuple[str, ...], test: tuple[str, ...]) -> None:
    for missing, where in ((set(train) - set(test), "test"), (set(test) - set(train), "training")):
        if missing:
            raise DataError(
                f"class {few(sorted(missing), show=repr)} of {str(root)!r} has no {where} images; "
                "the training and the test folder must hold the same classes"
            )


def _is_text(name: str) -> bool:
    """Whether a name can be written into a file."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)  # bytes that are no UTF-8
