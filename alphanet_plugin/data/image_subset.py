"""Some images of a source, each through one transform."""

from typing import Protocol

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import AlphaNetError
from .open_image import unreadable
from .stratified import Indices
from .transforms import Transform


class ImageSource(Protocol):
    """Decoded images by position, with names and labels that are known without decoding."""

    labels: Indices
    """(N,) in 0..K-1."""
    class_names: tuple[str, ...]
    names: list[str]
    """(N,) what tells an image from the others, whatever becomes of them: its file below the folder, for one."""

    def image(self, position: int) -> Image.Image:
        """The RGB image at `position`."""
        ...

    def stamp(self, position: int) -> str:
        """A short text that another image, or another label, of that name would not have."""
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
        try:
            return self.transform(self.source.image(position)), int(self.source.labels[position])
        except AlphaNetError:
            raise
        except Exception as error:  # of a transform, for an image of a shape that it cannot take
            raise unreadable(self.source.names[position], error) from error
