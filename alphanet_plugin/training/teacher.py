"""A trained network that does not change and whose logits others learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn


class Teacher:
    """Logits of a fixed network: eval mode, no gradient, in the run's precision.

    It is no part of what Accelerate saves. Where it was trained on images normalised otherwise than the student's, they
    are normalised its way first.

    Args:
        accelerator: Whose device and precision it takes.
        model: images (B, C, H, W) -> logits (B, K).
        images: Mean and standard deviation, per channel, that the data's images are normalised by.
        expected: Those that the model was trained with.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        *,
        images: Mapping[str, Sequence[float]] | None = None,
        expected: Mapping[str, Sequence[float]] | None = None,
    ):
        self.accelerator = accelerator
        self.model = model.eval().requires_grad_(False).to(accelerator.device)
        self._scale, self._shift = _renormalisation(images, expected, accelerator.device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """float32 logits (B, K) of images (B, C, H, W) as the data normalises them."""
        if self._scale is not None and self._shift is not None:
            images = images * self._scale + self._shift
        with self.accelerator.autocast():
            return self.model(images).float()


def _renormalisation(
    images: Mapping[str, Sequence[float]] | None, expected: Mapping[str, Sequence[float]] | None, device: Any
) -> tuple[Tensor | None, Tensor | None]:
    """(x s + m - m') / s' as a factor and a summand; none where both are the same."""
    if images is None or expected is None:
        return None, None
    mean, std, wanted_mean, wanted_std = (
        torch.tensor(tuple(statistics[key]), device=device).view(-1, 1, 1)
        for statistics in (images, expected)
        for key in ("mean", "std")
    )
    if torch.equal(mean, wanted_mean) and torch.equal(std, wanted_std):
        return None, None
    return std / wanted_std, (mean - wanted_mean) / wanted_std
