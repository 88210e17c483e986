"""Images: splits of a data set, seeded augmentation, and the batches of a run."""

from .build import build_splits
from .cached import cached_batches
from .digit_augment import SmallAffine
from .digits import test_digit
from .loaders import Batch, eval_loader, train_loader
from .run_sampler import RunSampler
from .seeded import SeededDataset
from .splits import LabelledImages, Splits

__all__ = [
    "Batch",
    "LabelledImages",
    "RunSampler",
    "SeededDataset",
    "SmallAffine",
    "Splits",
    "build_splits",
    "cached_batches",
    "eval_loader",
    "test_digit",
    "train_loader",
]
