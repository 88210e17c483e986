"""Mixup and cutmix of a batch, by a seed and the step alone; random erasing of images."""

from __future__ import annotations

from timm.data import Mixup
from timm.data.random_erasing import RandomErasing
from torch import Tensor
from torch.utils.data import Dataset

from .seeded import generators_seeded
from .splits import LabelledImages


class SeededMixing:
    """timm's mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019), one of the two for a whole batch.

    Args:
        mixup: Alpha of mixup's Beta distribution; 0 for none.
        cutmix: The same of cutmix; with both, each batch gets either with equal chance.
        num_classes: K.
        seed: Of the run.
        rank: Every rank mixes with numbers of its own.
    """

    def __init__(self, *, mixup: float, cutmix: float, num_classes: int, seed: int, rank: int = 0) -> None:
        self._mix = Mixup(mixup_alpha=mixup, cutmix_alpha=cutmix, label_smoothing=0.0, num_classes=num_classes)
        self._key = (seed, rank)

    def __call__(self, step: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed images (B, C, H, W) and label probabilities (B, K) of a step; B must be even."""
        with generators_seeded(*self._key, step):
            return self._mix(images.clone(), labels)


class ErasedImages(Dataset[tuple[Tensor, int]]):
    """The images of a data set, each with probability `probability` one rectangle replaced by normal noise.

    timm's, as DeiT has it (mode pixel, once). It draws from the global generators, which `SeededDataset` seeds.
    """

    def __init__(self, images: LabelledImages, probability: float) -> None:
        self.images = images
        self._erase = RandomErasing(probability=probability, mode="pixel", max_count=1, device="cpu")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index]
        return self._erase(image.clone()), label
