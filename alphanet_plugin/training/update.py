"""One update of what is trained."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..errors import NonFiniteLossError


class Update(ABC):
    """What `Trainer` does in a step: gradients of one batch, then a step of the optimiser.

    Args:
        accelerator: Accelerate's; it prepared `model` and `optimizer`.
        model: The prepared model.
        optimizer: The prepared optimiser.
        clip_value: Bound of each entry of the gradient; None for no clipping.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        clip_value: float | None,
    ):
        self.accelerator = accelerator
        self.model = model
        self.optimizer = optimizer
        self.clip_value = clip_value
        self._parameters = list(model.parameters())

    @abstractmethod
    def step(self, step: int, images: Tensor, labels: Tensor, *others: Tensor) -> Mapping[str, float]:
        """Add up the gradients of a step's batch; the weights stay as they are.

        Args:
            step: Its number, counted from 0.
            images: This rank's, (B, C, H, W), on the model's device.
            labels: (B,).
            others: What else the batches of this update hold.

        Returns:
            Figures for the log by name, averaged over the ranks; ``loss`` among them.

        Raises:
            NonFiniteLossError: A loss is not finite.
        """

    def apply(self) -> None:
        """Clip the gradients' entries, step, and clear them."""
        if self.clip_value is not None:
            self.accelerator.clip_grad_value_(self._parameters, self.clip_value)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def check_finite(loss: float, step: int, of: str = "") -> None:
    """NonFiniteLossError naming the step, and what the loss is `of`, unless it is finite."""
    if not math.isfinite(loss):
        raise NonFiniteLossError(f"the loss is {loss} at step {step}{of and f' for {of}'}")
