"""Random erasing (Zhong et al. 2020) of training images, whatever transform they come through."""

from timm.data.random_erasing import RandomErasing
from torch import Tensor
from torch.utils.data import Dataset

from .splits import LabelledImages


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
