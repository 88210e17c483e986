"""Images: splits of a data set, seeded augmentation, and the batches of a run."""

from .build import build_splits, is_known
from .calibration import CalibrationImages, open_calibration
from .decoded import with_images_decoded
from .digits import SmallAffine, test_digit
from .evaluation import check_classes, evaluation_source, prepared
from .loaders import Batch, DrawnBeside, draw_loader, eval_loader, train_loader
from .mixing import ErasedImages, SeededMixing
from .open_image import open_image
from .repeatable import LeadingImages, cached_batches, cached_gb, count_images, repeatable_batches
from .run_sampler import RunSampler
from .seeded import SeededDataset, generators_kept
from .split_record import SplitRecord
from .splits import LabelledImages, Splits
from .transforms import Preparation, for_channels, preparation_of

__all__ = [
    "Batch",
    "CalibrationImages",
    "DrawnBeside",
    "ErasedImages",
    "LabelledImages",
    "LeadingImages",
    "Preparation",
    "RunSampler",
    "SeededDataset",
    "SeededMixing",
    "SmallAffine",
    "SplitRecord",
    "Splits",
    "build_splits",
    "cached_batches",
    "cached_gb",
    "check_classes",
    "count_images",
    "draw_loader",
    "eval_loader",
    "evaluation_source",
    "for_channels",
    "generators_kept",
    "is_known",
    "open_calibration",
    "open_image",
    "preparation_of",
    "prepared",
    "repeatable_batches",
    "test_digit",
    "train_loader",
    "with_images_decoded",
]
