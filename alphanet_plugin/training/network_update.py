"""One update of one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from ..losses import Objective
from .ahead import Figures
from .update import Update, check_finite

Mix = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(step, images (B, C, H, W), labels (B,)) -> mixed images and label probabilities (B, K)."""


class NetworkUpdate(Update):
    """Train one network on labels, or on labels and a fixed teacher's logits (AlphaNet, appendix C, eq. 8).

    Args:
        objective: What it learns: labels alone, or labels and a teacher.
        teacher: images -> logits (B, K), for batches that do not bring the teacher's logits along.
        mix: Mixes the batch of a step; None for images as they come.
        of_update: As `Update` takes them: accelerator, model, optimizer, clip_value and micro_batches.
    """

    def __init__(
        self,
        *,
        objective: Objective,
        teacher: Callable[[Tensor], Tensor] | None = None,
        mix: Mix | None = None,
        **of_update: Any,
    ):
        super().__init__(**of_update)
        self.objective = objective
        self.teacher = teacher
        self.mix = mix

    def step(self, step: int, images: Tensor, labels: Tensor, *others: Tensor) -> Mapping[str, float]:
        """See `Update.step`; `others` are the teacher's logits (B, K) of these very images, or nothing."""
        if self.mix is not None:
            images, labels = self.mix(step, images, labels)
        parts = self.split(images, labels, *others)
        figures_of_parts = []
        for number, part in enumerate(parts, start=1):
            with self.synchronised(last=number == len(parts)):
                losses = self._losses(*part)
                self.backward(losses["loss"])
            figures_of_parts.append({name: loss.detach() for name, loss in losses.items()})
        names = list(figures_of_parts[0])
        together = torch.stack([torch.stack([figures[name] for name in names]) for figures in figures_of_parts]).mean(0)
        means = cast(Tensor, self.accelerator.reduce(together, reduction="mean"))

        def figures_of(losses: list[float]) -> dict[str, float]:
            figures = dict(zip(names, losses, strict=True))
            check_finite(figures["loss"], step)
            return figures

        return Figures(means, figures_of)

    def _losses(self, images: Tensor, labels: Tensor, *others: Tensor) -> dict[str, Tensor]:
        if self.objective.kd is None:
            return {"loss": self.objective(self.model(images), labels)}
        if others:
            (teacher_logits,) = others
        else:
            assert self.teacher is not None
            teacher_logits = self.teacher(images)
        parts = self.objective.parts(self.model(images), labels, teacher_logits)
        return {"loss": self.objective.combine(**parts), **parts}
