"""One update of a supernet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..schedules import Phase
from ..spaces import Arch
from ..supernet import MobileSupernet, Supernet, sort_channels
from .ahead import Figures
from .cost import step_cost
from .gradients import GradientComparison
from .passes import add_gradients
from .supernet_phase import FIRST, SupernetPhase
from .update import Update, check_finite, random_states_kept

FixedTeacher = Callable[[Tensor, int], Tensor]
"""(images (B, C, H, W), resolution of the step's first arch) -> logits (B, K); nothing is trained."""


class Teachers(Protocol):
    """Fixed teachers of phases, by name."""

    def keep(self, phase: SupernetPhase, supernet: Supernet) -> None:
        """Write down what a phase has trained, for those that learn from it."""

    def of(self, phase: SupernetPhase) -> FixedTeacher:
        """Who teaches in a phase."""
        ...


class SupernetUpdate(Update):
    """Train a few archs on one batch, then take one optimiser step.

    In-place distillation (AlphaNet, algorithm 1): the first arch learns from the labels; its detached logits teach the
    others. Gradients add up unscaled, so that gamma of eq. 1 is the number of students; a phase may scale the
    students' (DepS), and have another teacher. Each forward is followed by its backward before the next, and under
    several ranks only the last backward of an update synchronises.

    Args:
        accelerator: Accelerate's; it prepared `model` and `optimizer`.
        model: The prepared supernet.
        optimizer: The prepared optimiser.
        phase: The first one, or the only one.
        clip_value: Bound of each entry of the gradient; None for no clipping.
        micro_batches: See `Update`.
        num_classes: Outputs of the classifier, which count in what a step costs.
        new_optimizer: Name -> an optimiser of the model's parameters, for phases that begin with one of their own.
        teachers: Where phases have fixed ones.
        gradients: Compares the gradients of some steps' passes; None for not.
    """

    def __init__(
        self,
        *,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        phase: SupernetPhase,
        clip_value: float | None = 1.0,
        micro_batches: int = 1,
        num_classes: int = 1000,
        new_optimizer: Callable[[str], torch.optim.Optimizer] | None = None,
        teachers: Teachers | None = None,
        gradients: GradientComparison | None = None,
    ):
        super().__init__(
            accelerator=accelerator,
            model=model,
            optimizer=optimizer,
            clip_value=clip_value,
            micro_batches=micro_batches,
        )
        self.supernet = cast(Supernet, accelerator.unwrap_model(model))
        self.phase = phase
        self.teacher: FixedTeacher | None = None
        self._new_optimizer, self._teachers = new_optimizer, teachers
        self._gradients = gradients
        self._optimizer_name = phase.optimizer
        self._num_classes = num_classes

    # -- phases -------------------------------------------------------------------------------------------------------

    def expect(self, phase: Phase) -> None:
        self._use_optimizer(cast(SupernetPhase, phase), restart=False)

    def enter(self, phase: Phase, *, begins: bool) -> None:
        phase = self.phase = cast(SupernetPhase, phase)
        self._use_optimizer(phase, restart=begins and phase.restart)
        self.teacher = None
        if phase.teacher != FIRST:
            assert self._teachers is not None, "a phase with a fixed teacher"
            with random_states_kept():  # a resumed run enters once more
                self.teacher = self._teachers.of(phase)
        if begins and phase.sort_channels is not None:
            sort_channels(cast(MobileSupernet, self.supernet), phase.sort_channels, self.optimizer)

    def leave(self, phase: Phase) -> None:
        phase = cast(SupernetPhase, phase)
        if phase.keep_teacher:
            assert self._teachers is not None, "a phase that later ones learn from"
            self._teachers.keep(phase, self.supernet)

    def _use_optimizer(self, phase: SupernetPhase, *, restart: bool) -> None:
        if not restart and phase.optimizer == self._optimizer_name:
            return
        assert self._new_optimizer is not None, "phases with optimisers of their own"
        self.accelerator._optimizers.clear()
        self.optimizer = self.accelerator.prepare_optimizer(self._new_optimizer(phase.optimizer))
        self._optimizer_name = phase.optimizer

    # -- a step -------------------------------------------------------------------------------------------------------

    def step(self, step: int, images: Tensor, labels: Tensor, *others: Tensor) -> Mapping[str, float]:  # noqa: ARG002
        sampler = self.phase.sampler
        ranked: list[Arch] = []

        def losses_of(archs: Sequence[Arch]) -> list[float]:
            ranked.extend(archs)
            return self.batch_losses(images, labels, archs)

        archs = sampler.choose(step, losses_of)
        work = step_cost(self.supernet.space, archs, ranked, phase=self.phase, num_classes=self._num_classes)
        known = {**sampler.figures, **work.figures(len(images) * self.accelerator.num_processes)}
        if self.phase.ramp is not None:
            known = {"scale": self.phase.scale(step), **known}
        losses = self.accumulate(images, labels, archs, step)
        figures = Figures(losses, lambda read: {**self._loss_figures(step, archs, read), **known})
        if self._gradients and self._gradients.due:
            figures.read()  # nothing is compared where a loss is not finite
            self._gradients.end_step(step, self.phase.scale(step))
        return figures

    def _loss_figures(self, step: int, archs: Sequence[Arch], losses: Sequence[float]) -> dict[str, float]:
        for arch, loss in zip(archs, losses, strict=True):
            check_finite(loss, step, f"arch {arch}")
        figures = {"loss": losses[0], "kd_loss": sum(losses[1:]) / max(1, len(losses) - 1)}
        if len(archs) > 1 and archs[-1] == self.supernet.space.smallest():
            figures["kd_loss_smallest"] = losses[-1]
        return figures

    def accumulate(self, images: Tensor, labels: Tensor, archs: Sequence[Arch], step: int = 0) -> Tensor:
        """Add up the gradients of all archs; returns their losses (len(archs),), averaged over the ranks."""
        parts = self.split(images, labels)
        losses = [
            self._accumulate(images, labels, archs, step, last=number == len(parts))
            for number, (images, labels) in enumerate(parts, start=1)
        ]
        return cast(Tensor, self.accelerator.reduce(torch.stack(losses).mean(dim=0), reduction="mean"))

    def _accumulate(self, images: Tensor, labels: Tensor, archs: Sequence[Arch], step: int, *, last: bool) -> Tensor:
        """The same for a micro-batch, by itself; the last one's last arch synchronises."""
        passes = self.phase.passes(step, archs)
        return add_gradients(
            self.supernet,
            passes,
            images,
            labels,
            self.teacher and self.teacher(images, self.supernet.space.network(archs[0]).resolution),
            forward=self.model,
            backward=self.backward,
            around=lambda number: self._around(step, number, last=last and number == len(passes) - 1),
        )

    @contextmanager
    def _around(self, step: int, number: int, *, last: bool) -> Iterator[None]:
        compared = nullcontext() if self._gradients is None else self._gradients.around(step, number)
        with self.synchronised(last=last), compared:
            yield

    def apply(self) -> None:
        for name, parameter in self.supernet.named_parameters() if self.phase.frozen else ():
            if name.endswith(self.phase.frozen):
                parameter.grad = None
        super().apply()

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
        return self.phase.first.cross_entropy(logits.float(), labels)
