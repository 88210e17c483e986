"""One update of a supernet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..losses import KDLoss
from ..samplers import Sampler
from ..spaces import Arch
from ..supernet import Supernet
from .passes import Pass, add_gradients
from .update import Update, check_finite


class SupernetUpdate(Update):
    """Train a few archs on one batch by in-place distillation (AlphaNet, algorithm 1), then take one optimiser step.

    The first arch learns from the labels; its detached logits teach the others, unless these learn from the labels
    too. Gradients add up unscaled, so that gamma of eq. 1 is the number of students. Each forward is followed by its
    backward before the next, and under several ranks only the last backward of an update synchronises.

    Args:
        accelerator: Accelerate's; it prepared `model` and `optimizer`.
        model: The prepared supernet.
        optimizer: The prepared optimiser.
        sampler: Which archs a step trains.
        label_loss: (logits (B, K), labels (B,)) -> loss, for the first arch.
        kd_loss: (student logits, teacher logits) -> loss, for the others; None for `label_loss` on every arch.
        clip_value: Bound of each entry of the gradient; None for no clipping.
        micro_batches: See `Update`.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        sampler: Sampler,
        label_loss: nn.Module,
        kd_loss: KDLoss | None,
        clip_value: float | None = 1.0,
        micro_batches: int = 1,
    ):
        super().__init__(
            accelerator=accelerator,
            model=model,
            optimizer=optimizer,
            clip_value=clip_value,
            micro_batches=micro_batches,
        )
        self.supernet = cast(Supernet, accelerator.unwrap_model(model))
        self.sampler = sampler
        self.label_loss = label_loss
        self.kd_loss = kd_loss

    def step(self, step: int, images: Tensor, labels: Tensor, *others: Tensor) -> Mapping[str, float]:  # noqa: ARG002
        archs = self.sampler.choose(step, partial(self.batch_losses, images, labels))
        losses = self.accumulate(images, labels, archs).tolist()
        for arch, loss in zip(archs, losses, strict=True):
            check_finite(loss, step, f"arch {arch}")
        figures = {"loss": losses[0], "kd_loss": sum(losses[1:]) / max(1, len(losses) - 1)}
        if archs[-1] == self.supernet.space.smallest():
            figures["kd_loss_smallest"] = losses[-1]
        return {**figures, **self.sampler.figures}

    def accumulate(self, images: Tensor, labels: Tensor, archs: Sequence[Arch]) -> Tensor:
        """Add up the gradients of all archs; returns their losses (len(archs),), averaged over the ranks."""
        parts = self.split(images, labels)
        losses = [
            self._accumulate(images, labels, archs, last=number == len(parts))
            for number, (images, labels) in enumerate(parts, start=1)
        ]
        return cast(Tensor, self.accelerator.reduce(torch.stack(losses).mean(dim=0), reduction="mean"))

    def _accumulate(self, images: Tensor, labels: Tensor, archs: Sequence[Arch], *, last: bool) -> Tensor:
        """The same for a micro-batch, by itself; the last one's last arch synchronises."""
        first, *others = archs
        passes = [Pass(first, self._on_labels, drop=True), *(Pass(arch, self._on_teacher) for arch in others)]
        return add_gradients(
            self.supernet,
            passes,
            images,
            labels,
            forward=self.model,
            backward=self.backward,
            around=lambda number: self.synchronised(last=last and number == len(passes) - 1),
        )

    def _on_labels(self, logits: Tensor, labels: Tensor, teacher_logits: Tensor | None) -> Tensor:  # noqa: ARG002
        return self.label_loss(logits, labels)

    def _on_teacher(self, logits: Tensor, labels: Tensor, teacher_logits: Tensor | None) -> Tensor:
        if self.kd_loss is None:
            return self.label_loss(logits, labels)
        assert teacher_logits is not None
        return self.kd_loss(logits, teacher_logits)

    @torch.no_grad()
    def batch_losses(self, images: Tensor, labels: Tensor, archs: Sequence[Arch]) -> list[float]:
        """Each arch's loss on the labels, averaged over the ranks, to rank archs by.

        Nothing is trained, dropout does not act, BatchNorm keeps no statistics and no random number is drawn. Every
        rank gets the same numbers, bit for bit.
        """
        losses = []
        for arch in archs:
            self.supernet.activate(arch)
            losses.append(torch.stack([self._label_loss(*part) for part in self.split(images, labels)]).mean())
        # gathered, not reduced: each rank then adds the same numbers in the same order
        return cast(Tensor, self.accelerator.gather(torch.stack(losses)[None])).mean(dim=0).tolist()

    def _label_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with self.accelerator.autocast():
            logits = self.supernet(images)
        return self.label_loss(logits.float(), labels)
