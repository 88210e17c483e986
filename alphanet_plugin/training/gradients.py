"""Gradients of a step's first pass beside those of its others, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    their ``cosine`` (None where one is 0), and Figure 4's ``ratio``: the norm of the whole gradient, full + shrink,
    over that of the full one of the first compared step that has a shrink. Its ``scale`` is the phase's (epsilon).
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
        self._initial: dict[str, float] | None = None  # norms of the full gradient that ratios are to
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

    def end_step(self, step: int, scale: float = 1.0) -> None:
        """Write a step down that was due, once all its gradients are there; called by every rank.

        Args:
            step: Its number.
            scale: Factor of the gradients of all passes but the first.
        """
        if self._full is None:
            return
        full, whole, self._full = self._shared(self._full), self._gradients(), None
        squares = self._compare(full, list(torch._foreach_sub(whole, full)))
        if not self.accelerator.is_main_process:
            return
        if not self._begun:
            self._go_on(step)
        together, layers = self._figures(squares)
        record = {"step": step, "scale": scale, "all": together, "layers": layers}
        self.log.write(record)
        figures = {f"gradients/{part}/{key}": value for part, of in _parts(record).items() for key, value in of.items()}
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

    def _compare(self, full: list[Tensor], shrink: list[Tensor]) -> Tensor:
        """Squared norms of full, shrink and whole, and the dot product of the first two: (parameters, 4)."""
        whole = torch._foreach_add(full, shrink)
        norms = [torch.stack(torch._foreach_norm(some)) for some in (full, shrink, whole)]
        dots = torch.stack([(one * other).sum() for one, other in zip(full, shrink, strict=True)])
        return torch.stack([*(norm.double() ** 2 for norm in norms), dots.double()]).T.cpu()

    def _go_on(self, step: int) -> None:
        """A resumed run compares steps anew, to the same initial gradient."""
        self._begun = True
        self.log.rewind(step)
        for record in self.log.read() if self.log.path.exists() else []:
            if self._initial is None and record["all"]["shrink"]:
                self._initial = {part: of["full"] for part, of in _parts(record).items()}

    def _figures(self, squares: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of all weights together and of each layer."""
        table = {"all": squares.sum(dim=0), **{name: squares[place] for name, place in self._layers.items()}}
        norms = {name: row.clamp(min=0).sqrt()[:3].tolist() for name, row in table.items()}
        initial = self._initial or {name: full for name, (full, _, _) in norms.items()}
        if norms["all"][1]:
            self._initial = initial
        figures = {
            name: {
                "full": full,
                "shrink": shrink,
                "cosine": float(table[name][3]) / (full * shrink) if full * shrink else None,
                "ratio": whole / initial[name] if initial.get(name) else None,
            }
            for name, (full, shrink, whole) in norms.items()
        }
        return figures.pop("all"), figures


def _parts(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of a record, by what they are of."""
    return {"all": record["all"], **record["layers"]}
