"""The images of a run: opened, written down when it begins, and the same ever after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from ..config import DataConfig
from ..data import SplitRecord, Splits, build_splits, with_images_decoded
from ..errors import DataError
from ..training import latest_checkpoint, read_state
from .run_folder import RunFolder

_KEY = "images"  # in a checkpoint's identity: digest of the record


def open_images(data: DataConfig, folder: RunFolder, image_size: int | None = None) -> Splits:
    """A configuration's images; where a run has begun in the folder, those that it began with.

    Args:
        data: What they are.
        folder: The run's.
        image_size: Another side than the configured one, in pixels.

    Raises:
        ConfigError: There is no such data set.
        DataError: The images are not those that the run began with.
    """
    splits = _open_splits(data, folder, image_size or data.image_size)
    return with_images_decoded(splits, data.cache_gb, data.workers)


def _open_splits(data: DataConfig, folder: RunFolder, image_size: int) -> Splits:
    options = {key: value for key, value in asdict(data).items() if key not in ("workers", "cache_gb")}
    options["image_size"] = image_size
    begun = latest_checkpoint(folder.checkpoints)
    if begun is None:
        return build_splits(options.pop("name"), **options)
    record = _kept(folder, read_state(begun)["identity"])
    # a run from before there were records holds out what the rule of then chooses
    return build_splits(options.pop("name"), **options, record=record, first_rule=record is None)


def accepted_changes(data: DataConfig, splits: Splits) -> dict[str, str]:
    """What went or changed of a run's images and is accepted, as part of what a search depends on; else empty."""
    if data.on_change != "accept" or not splits.record or not splits.record.stamps or splits.source is None:
        return {}
    changes = splits.record.changes(splits.source)
    return {"accepted_changes_of_images": changes} if changes else {}


def keep_images(splits: Splits, folder: RunFolder) -> None:
    """Write down which images train and which are held out, unless the run in the folder has done so when it began."""
    if splits.record is None or splits.source is None:  # made by hand
        return
    if latest_checkpoint(folder.checkpoints) is None or not folder.images.is_file():
        splits.record.write(folder.images, splits.source)


def check_ranks_agree(accelerator: Accelerator, splits: Splits) -> None:
    """DataError on all ranks where they see other images, classes, or orders of them."""
    if accelerator.num_processes == 1 or splits.record is None:
        return
    digests = gather_object([splits.record.digest])
    others = [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]
    if others:
        raise DataError(
            f"process {', '.join(others)} sees other images or classes of {splits.name!r} than process 0; give every "
            "machine the same files under data.root"
        )


def with_images(identity: Mapping[str, Any], splits: Splits) -> dict[str, Any]:
    """A run's identity with the images that it began with."""
    return {**identity, **({_KEY: splits.record.digest} if splits.record else {})}


def without_images(identity: Mapping[str, Any]) -> dict[str, Any]:
    """A run's identity as its configuration alone makes it."""
    return {key: value for key, value in identity.items() if key != _KEY}


def _kept(folder: RunFolder, identity: Mapping[str, Any]) -> SplitRecord | None:
    digest = identity.get(_KEY)
    if digest is None and not folder.images.is_file():
        return None
    record = SplitRecord.read(folder.images)
    if digest not in (None, record.digest):
        raise DataError(
            f"{folder.images} is not that of the run's checkpoints; put the file back, or train anew in another "
            "output: it says which images were held out"
        )
    return record
