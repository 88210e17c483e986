"""The parts of a data set that training, search and the final figure each use."""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from .image_subset import ImageSource
from .split_record import SplitRecord


class LabelledImages(Protocol):
    """A map-style data set: item -> (float32 image (C, S, S), normalised; label in 0..K-1)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Tensor, int]: ...


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Disjoint stratified parts of one data set, and what a model needs to know about its images.

    The search scores subnets on `search`, which is held out of the training images; `test` is for the figure
    that is reported and nothing chosen depends on it.
    """

    name: str
    train: LabelledImages
    """Training images with the training augmentation."""
    search: LabelledImages
    """Held out of the training images; transformed as for evaluation."""
    test: LabelledImages
    """Transformed as for evaluation."""
    calibration: LabelledImages
    """The images of `train` for BatchNorm recalibration, with the training augmentation unless told otherwise."""
    class_names: tuple[str, ...]
    image_size: int
    """Side S of the images in pixels."""
    mean: tuple[float, ...]
    """Per-channel mean that was subtracted, of images in [0, 1]: three numbers, or one of grey images."""
    std: tuple[float, ...]
    crop_pct: float
    """Side of the evaluation crop over the side that the image's shorter edge is resized to."""
    interpolation: str = "bicubic"
    crop_mode: str = "center"
    """How timm crops for evaluation."""
    source: ImageSource | None = None
    """The training images, `search` among them, without a transform."""
    record: SplitRecord | None = None
    """Which of them train and which are held out, by name."""

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def in_chans(self) -> int:
        """Channels of the images."""
        return len(self.mean)

    @property
    def data_config(self) -> dict[str, Any]:
        """The evaluation transform as timm's pretrained configurations and `create_transform` name it."""
        return {
            "input_size": (self.in_chans, self.image_size, self.image_size),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            **({} if self.crop_mode == "center" else {"crop_mode": self.crop_mode}),
            "mean": self.mean,
            "std": self.std,
        }
