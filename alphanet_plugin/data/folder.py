"""A folder laid out as ImageNet: root/train/CLASS/*.jpg and root/val/CLASS/*.jpg."""

from pathlib import Path

from ..errors import ConfigError
from .timm_source import TimmSource

LAYOUT = "expected ROOT/train/CLASS/*.jpg and ROOT/val/CLASS/*.jpg (or ROOT/validation/...)"


def open_folder(root: str | Path | None) -> tuple[TimmSource, TimmSource]:
    """(training images, test images) of the folder; of `val` and `validation` the first that exists is the test."""
    if root is None:
        raise ConfigError(f"data set 'folder' needs a root; {LAYOUT}")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise ConfigError(f"data folder {str(root)!r} does not exist; {LAYOUT}")
    train = open_class_folders(_existing(root, "train"))
    test = open_class_folders(_existing(root, "val", "validation"))
    _check_same_classes(root, train.class_names, test.class_names)
    return train, test


def _existing(root: Path, *names: str) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise ConfigError(f"{str(root)!r} has no {' or '.join(f'{name}/' for name in names)}; {LAYOUT}")


def open_class_folders(folder: Path) -> TimmSource:
    """The images of a folder of class folders, each of which must have some."""
    folders = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    if not folders:
        raise ConfigError(f"{str(folder)!r} has no class folders; {LAYOUT}")
    source = TimmSource("", str(folder), folder.name, search_split=False)
    # timm numbers only the classes that it meets, so an empty folder would shift the labels of the others.
    if empty := sorted(folders - set(source.class_names)):
        raise ConfigError(
            f"class {_some(empty)} in {str(folder)!r} has no images of its own; add images or remove the folder"
        )
    if stray := sorted(set(source.class_names) - folders):
        where = f"below folder {_some(stray)}" if any(stray) else "beside the class folders"
        raise ConfigError(f"{str(folder)!r} has images {where}, outside the class folders; move them: {LAYOUT}")
    return source


def _check_same_classes(root: Path, train: tuple[str, ...], test: tuple[str, ...]) -> None:
    for missing, where in ((set(train) - set(test), "test"), (set(test) - set(train), "training")):
        if missing:
            raise ConfigError(
                f"class {_some(sorted(missing))} of {str(root)!r} has no {where} images; "
                "the training and the test folder must hold the same classes"
            )


def _some(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
