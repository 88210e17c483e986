"""One update of what is trained."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..data import generators_kept
from ..errors import NonFiniteLossError
from ..schedules import Phase


class Update(ABC):
    """What `Trainer` does in a step: gradients of one batch, then a step of the optimiser.

    Args:
        accelerator: Accelerate's; it prepared `model` and `optimizer`.
        model: The prepared model.
        optimizer: The prepared optimiser.
        clip_value: Bound of each entry of the gradient; None for no clipping.
        micro_batches: In how many equal parts a batch goes forward and backward, whose gradients add up to its own.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        clip_value: float | None = None,
        micro_batches: int = 1,
    ):
        self.accelerator = accelerator
        self.model = model
        self.optimizer = optimizer
        self.clip_value = clip_value
        self.micro_batches = micro_batches
        accelerator.gradient_accumulation_steps = 1  # `backward` divides, once
        self._parameters = list(model.parameters())

    @abstractmethod
    def step(self, step: int, images: Tensor, labels: Tensor, *others: Tensor) -> Mapping[str, float]:
        """Add up the gradients of a step's batch; the weights stay as they are.

        Args:
            step: Its number, counted from 0.
            images: This rank's, all micro-batches together, (B, C, H, W), on the model's device.
            labels: (B,).
            others: What else the batches of this update hold.

        Returns:
            Figures for the log by name, averaged over the ranks; ``loss`` among them. To look at them is what waits for
            the device (`Figures`), and raises NonFiniteLossError where a loss is not finite.
        """

    def expect(self, phase: Phase) -> None:  # noqa: B027 - most have nothing to do
        """Be ready for the state of a checkpoint that was written in a phase."""

    def enter(self, phase: Phase, *, begins: bool) -> None:  # noqa: B027
        """Before a phase's first step, and before the first step of a run that goes on within one.

        Args:
            phase: The phase.
            begins: Whether its first step comes next, also where the run goes on from a checkpoint just before it.
        """

    def leave(self, phase: Phase) -> None:  # noqa: B027
        """After a phase's last step, before its checkpoint."""

    def split(self, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
        """The micro-batches of a batch.

        Raises:
            ValueError: They would not be equal, and so their mean not the batch's.
        """
        if len(tensors[0]) % self.micro_batches:
            raise ValueError(f"{len(tensors[0])} images do not make {self.micro_batches} equal micro-batches")
        return list(zip(*(tensor.chunk(self.micro_batches) for tensor in tensors), strict=True))

    def backward(self, loss: Tensor) -> None:
        """Add a micro-batch's share to the gradients."""
        self.accelerator.backward(loss / self.micro_batches if self.micro_batches > 1 else loss)

    def synchronised(self, last: bool) -> AbstractContextManager[Any]:
        """Around a forward and its backward: the ranks share gradients with the `last` of an update alone."""
        return nullcontext() if last else self.accelerator.no_sync(self.model)

    def apply(self) -> None:
        """Clip the gradients' entries, step, and clear them."""
        if self.clip_value is not None:
            self.accelerator.clip_grad_value_(self._parameters, self.clip_value)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Every global random generator, of GPUs too, goes on after the block as if there had been none."""
    with generators_kept(), torch.random.fork_rng():
        yield


def check_finite(loss: float, step: int, of: str = "") -> None:
    """NonFiniteLossError naming the step, and what the loss is `of`, unless it is finite."""
    if not math.isfinite(loss):
        raise NonFiniteLossError(f"the loss is {loss} at step {step}{of and f' for {of}'}")
