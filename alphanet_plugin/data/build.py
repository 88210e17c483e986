"""Splits of a data set by its name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, brief
from ..nearest import did_you_mean
from .digits import DIGITS, build_digits
from .small_sets import SMALL_SETS
from .split_record import SplitRecord
from .splits import Splits
from .timm_splits import build_timm
from .transforms import CROP_MODES, CROP_PCT, IMAGENET, normalised


def build_splits(
    name: str,
    root: str | Path | None = None,
    *,
    image_size: int,
    search_fraction: float | None = None,
    search_count: int | None = None,
    seed: int = 0,
    augment: bool | str = True,
    calibration_augment: bool = True,
    crop_pct: float | None = None,
    test_split: str = "validation",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
    crop_mode: str | None = None,
    on_change: str = "refuse",
    record: SplitRecord | None = None,
    first_rule: bool = False,
    classes: Sequence[str] | None = None,
    in_chans: int = 3,
) -> Splits:
    """Train, search, test and calibration parts of a data set.

    Args:
        name: "digits" (scikit-learn's, offline), "folder" (ROOT/train and ROOT/val of class folders), "fashion_mnist",
            "cifar10" or "cifar100" (files that lie in ROOT, see `open_small`), or a name that
            `timm.data.create_dataset` knows and that is read by position ("torch/cifar10", "hfds/..."), or one of
            `TORCHVISION_SETS`, which torchvision alone knows ("torch/flowers102").
        root: where the data lies; not for digits.
        image_size: side of the images in pixels.
        search_fraction: part of the training images that is held out for the search, stratified; by default a
            quarter for digits (60/20/20 with the test part) and a tenth otherwise.
        search_count: the same as a number of images, 0 for none; one of the two.
        seed: chooses what is held out. The test part does not depend on it.
        augment: False for none, True for the data set's usual (digits: a small affine map; otherwise random resized
            crop, flip and AutoAugment v0), "crop" for random resized crop and flip alone, or another of timm's
            `auto_augment` policies.
        calibration_augment: whether `calibration` augments as `train` does, which is what the papers do.
        crop_pct: evaluation crop over resized side; by default 0.875, and 1 for digits, which are not cropped.
        test_split: timm's name of the test part; not for digits, "folder" and torchvision's sets, which know theirs.
        mean: what is subtracted of each channel of images in [0, 1], as a pretrained model wants it; by default
            ImageNet's, and the digits' own for digits.
        std: what divides them then; the same.
        interpolation: timm's name of how images are resized; by default "bicubic", and so for digits whatever it says.
        crop_mode: timm's name of how evaluation crops: "center" by default, "squash" or "border"; not for digits.
        on_change: "refuse" images that are not those of `record`, or "accept" those that are left of them.
        record: What a run wrote down of the training images when it began; `search_fraction`, `search_count` and `seed`
            then choose nothing.
        first_rule: Whether a folder's images are held out as for runs that kept no record; see `build_timm`.
        classes: Of a folder, the class folders that are used; None for all.
        in_chans: 3 for RGB, 1 for grey images; `mean` and `std` have as many numbers, by default the mean of RGB's.

    Raises:
        ConfigError: A value is not allowed, or the data set is not there.
        DataError: Its images are not those of `record`, or a folder is not laid out as it should be.
    """
    if image_size < 1:
        raise ConfigError(f"image_size must be a positive number of pixels, not {image_size}")
    if crop_pct is not None and not 0.0 < crop_pct <= 1.0:
        raise ConfigError(f"crop_pct must lie in (0, 1], not {crop_pct}")
    if crop_mode not in (None, *CROP_MODES):
        raise ConfigError(f"crop_mode must be one of {', '.join(CROP_MODES)}, not {crop_mode!r}")
    if in_chans not in (1, 3):
        raise ConfigError(f"in_chans must be 3 (RGB) or 1 (grey), not {in_chans}")
    usual = SMALL_SETS[name].normalisation if name in SMALL_SETS else DIGITS if name == "digits" else IMAGENET
    common: dict[str, Any] = {
        "search_fraction": search_fraction,
        "search_count": search_count,
        "seed": seed,
        "calibration_augment": calibration_augment,
        "normalisation": normalised(usual, mean, std, interpolation, in_chans),
        "record": record,
        "accept": on_change == "accept",
    }
    if name == "digits":
        if isinstance(augment, str):
            raise ConfigError(f"digits take augment true or false, not {augment!r}")
        if crop_pct not in (None, 1.0):
            raise ConfigError(f"digits are not cropped; leave crop_pct out instead of {crop_pct}")
        if crop_mode not in (None, "center"):
            raise ConfigError(f"digits are not cropped; leave crop_mode out instead of {crop_mode}")
        return build_digits(image_size, augment=augment, **common)
    check_name(name)
    return build_timm(
        name,
        root,
        image_size,
        augment=augment,
        crop_pct=crop_pct or (1.0 if name in SMALL_SETS else CROP_PCT),
        crop_mode=crop_mode or "center",
        test_split=test_split,
        first_rule=first_rule,
        classes=classes,
        **common,
    )


def is_known(name: str) -> bool:
    """Whether a data set can have that name; with a prefix timm decides."""
    return name in ("digits", "folder", *SMALL_SETS) or "/" in name


def check_name(name: str) -> None:
    """ConfigError if no data set can have that name."""
    if not is_known(name):
        raise ConfigError(
            f"data set {brief(name)} is not known, and has no prefix, as timm's 'torch/cifar10' or 'torch/flowers102'; "
            + did_you_mean(name, ("digits", "folder", *SMALL_SETS))
        )
