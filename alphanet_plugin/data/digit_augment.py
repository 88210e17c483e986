"""The mild augmentation of the digits: a small random affine map, no flips."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class SmallAffine:
    """Rotate, scale and shift one image by a little; what comes in from outside is background (0).

    It draws from torch's global generator, as torchvision's transforms do, so that one way of seeding
    (`SeededDataset`) holds for every data set.
    """

    degrees: float = 12.0
    """Largest rotation to either side."""
    scale: float = 0.12
    """The size is multiplied by a factor in [1 - scale, 1 + scale]."""
    shift: float = 0.08
    """Largest shift along each axis, as a part of the image's side."""

    def __call__(self, image: Tensor) -> Tensor:
        """(1, S, S) in [0, 1] -> the same shape and range."""
        turn, grow, right, down = (2.0 * torch.rand(4) - 1.0).tolist()
        angle = math.radians(self.degrees * turn)
        zoom = 1.0 / (1.0 + self.scale * grow)
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        # The grid spans [-1, 1], two units for the whole side.
        theta = torch.tensor([[[cos, -sin, 2 * self.shift * right], [sin, cos, 2 * self.shift * down]]])
        grid = F.affine_grid(theta, [1, *image.shape], align_corners=False)
        return F.grid_sample(image[None], grid, align_corners=False)[0]
