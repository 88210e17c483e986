"""A trained network that does not change and whose logits others learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..data import Preparation


class Teacher:
    """Logits of a fixed network: eval mode, no gradient, in the run's precision.

    It is no part of what Accelerate saves. Where it was trained on images normalised otherwise than the student's, they
    are normalised its way first, and resized where it takes another size. It sees the student's augmented views.

    Args:
        accelerator: Whose device and precision it takes.
        model: images (B, C, H, W) -> logits (B, K).
        images: Mean and standard deviation, per channel, that the data's images are normalised by.
        expected: How the model wants images: its mean and standard deviation, size, and ``bilinear`` or else bicubic
            resizing; what it says of crops does not count. None for the data's.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        *,
        images: Mapping[str, Sequence[float]] | None = None,
        expected: Preparation | None = None,
    ):
        self.accelerator = accelerator
        self.model = model.eval().requires_grad_(False).to(accelerator.device)
        self.expected = expected
        self._scale, self._shift = _renormalisation(images, expected, accelerator.device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """float32 logits (B, K) of images (B, C, H, W) as the data normalises them."""
        if self._scale is not None and self._shift is not None:
            images = images * self._scale + self._shift
        images = _resized(images, self.expected)
        with self.accelerator.autocast():
            return self.model(images).float()


def _resized(images: Tensor, expected: Preparation | None) -> Tensor:
    if expected is None or tuple(images.shape[2:]) == expected.input_size[1:]:
        return images
    mode = "bilinear" if expected.interpolation == "bilinear" else "bicubic"
    return interpolate(images, expected.input_size[1:], mode=mode, antialias=True)


def _renormalisation(
    images: Mapping[str, Sequence[float]] | None, expected: Preparation | None, device: Any
) -> tuple[Tensor | None, Tensor | None]:
    """(x s + m - m') / s' as a factor and a summand; none where both are the same."""
    if images is None or expected is None:
        return None, None
    mean, std, wanted_mean, wanted_std = (
        torch.tensor(tuple(statistics[key]), device=device).view(-1, 1, 1)
        for statistics in (images, vars(expected))
        for key in ("mean", "std")
    )
    if torch.equal(mean, wanted_mean) and torch.equal(std, wanted_std):
        return None, None
    return std / wanted_std, (mean - wanted_mean) / wanted_std
