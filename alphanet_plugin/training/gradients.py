"""Gradients of a step's first pass beside those of its others, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from .log import JsonLinesLog


class GradientComparison:
    """Compares the full model's gradient with that of shrinking, every so many steps (DepS, Figures 3 and 4).

    Of a step, the gradient of its first pass is ``full``, and the sum of the others', scaled as their phase says, is
    ``shrink``; all micro-batches and ranks are in both, and nothing is clipped yet. A record has the step, and of all
    weights together (``all``) and of each layer's convolution or linear weight (``layers``) the L2 norms of both,
    their ``cosine`` (None where one is 0), and the ``ratio`` of the whole gradient's norm, full + shrink, to full's.
    Gradients are only read, so training stays as it is.

    Args:
        accelerator: Accelerate's; its trackers get each figure as ``gradients/LAYER/NAME``.
        model: What is trained, unwrapped.
        every: Steps between two comparisons; the first step is compared.
        log: Where records are kept.
    """

    def __init__(self, accelerator: Accelerator, model: nn.Module, every: int, log: JsonLinesLog):
        self.accelerator, self.every, self.log = accelerator, every, log
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for _, parameter in named]
        self._layers = {
            name.removesuffix(".weight"): place for place, (name, parameter) in enumerate(named) if parameter.ndim > 1
        }
        self._full: list[Tensor] | None = None
        self._begun = False

    def around(self, step: int, number: int) -> AbstractContextManager[Any]:
        """Around a pass of a step."""
        return nullcontext() if number or step % self.every else self._first_pass()

    @contextmanager
    def _first_pass(self) -> Iterator[None]:
        before = self._gradients()
        yield
        added = torch._foreach_sub(self._gradients(), before)
        if self._full is None:
            self._full = list(added)
        else:
            torch._foreach_add_(self._full, added)

    @property
    def due(self) -> bool:
        """Whether the step whose passes came last is one to compare."""
        return self._full is not None

    def end_step(self, step: int) -> None:
        """Write a step down that was due, once all its gradients are there; called by every rank."""
        if self._full is None:
            return
        full, whole, self._full = self._shared(self._full), self._gradients(), None
        record = {"step": step, **self._compare(full, list(torch._foreach_sub(whole, full)))}
        if not self.accelerator.is_main_process:
            return
        if not self._begun:
            self.log.rewind(step)  # a resumed run compares steps anew
            self._begun = True
        self.log.write(record)
        parts = {"all": record["all"], **record["layers"]}
        figures = {f"gradients/{part}/{key}": value for part, of in parts.items() for key, value in of.items()}
        self.accelerator.log({name: value for name, value in figures.items() if value is not None}, step=step)

    def _gradients(self) -> list[Tensor]:
        """Copies, zeros where there is none yet; without the loss scale of mixed precision."""
        scaler = self.accelerator.scaler
        scale = 1.0 if scaler is None else scaler.get_scale()
        grads = [torch.zeros_like(one) if one.grad is None else one.grad.detach() for one in self._parameters]
        return list(torch._foreach_div(grads, scale))

    def _shared(self, gradients: list[Tensor]) -> list[Tensor]:
        """Averaged over the ranks, as the whole gradient is."""
        if self.accelerator.num_processes == 1:
            return gradients
        flat = torch.cat([one.flatten() for one in gradients])
        parts = self.accelerator.reduce(flat, reduction="mean").split([one.numel() for one in gradients])  # type: ignore[union-attr]
        return [part.view(one.shape) for part, one in zip(parts, gradients, strict=True)]

    def _compare(self, full: list[Tensor], shrink: list[Tensor]) -> dict[str, Any]:
        whole = torch._foreach_add(full, shrink)
        norms = [torch.stack(torch._foreach_norm(some)) for some in (full, shrink, whole)]
        dots = torch.stack([(one * other).sum() for one, other in zip(full, shrink, strict=True)])
        table = torch.stack([*(norm.double() ** 2 for norm in norms), dots.double()]).T.cpu()
        layers = {name: _figures(*table[place].tolist()) for name, place in self._layers.items()}
        return {"all": _figures(*table.sum(dim=0).tolist()), "layers": layers}


def _figures(full: float, shrink: float, whole: float, dot: float) -> dict[str, float | None]:
    """Of squared norms and the dot product."""
    both = (full * shrink) ** 0.5
    return {
        "full": full**0.5,
        "shrink": shrink**0.5,
        "cosine": dot / both if both else None,
        "ratio": (whole / full) ** 0.5 if full else None,
    }
