"""Some images of a source, each through one transform."""

from typing import Protocol

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from .stratified import Indices
from .transforms import Transform


class ImageSource(Protocol):
    """Decoded images by position, with labels that are known without decoding."""

    labels: Indices
    """(N,) in 0..K-1."""
    class_names: tuple[str, ...]

    def image(self, position: int) -> Image.Image:
        """The RGB image at `position`."""
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
        return self.transform(self.source.image(position)), int(self.source.labels[position])
