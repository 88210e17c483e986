"""Figures of a network on labelled images, how a search learns them, and how they are measured."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..spaces import Arch
from .placement import Placement, modes_kept


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of one network over `count` images."""

    top1: float
    """Per cent of images whose label has the highest logit, 0..100."""
    top5: float | None
    """Per cent of images whose label is among the five highest logits; None where no more than five classes are."""
    loss: float
    """Mean cross entropy in nats."""
    count: int

    def to_dict(self) -> dict[str, float]:
        """The figures by their names, without what is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Evaluator(ABC):
    """Arch -> metrics. The same arch always gets the same metrics."""

    @abstractmethod
    def __call__(self, arch: Arch) -> Metrics: ...


NUM_BEST = 5


@torch.inference_mode()
def evaluate(model: nn.Module, batches: Iterable[Sequence[Tensor]]) -> Metrics:
    """Top-1, top-5 and cross entropy of `model` in eval mode over all images, whatever the sizes of the batches.

    Modes are put back afterwards. An image with a logit that is not a number counts as wrong, and the loss is then not
    a number either.

    Args:
        model: images -> logits (B, K).
        batches: (images (B, C, S, S), integer labels (B,)), moved to the model's device and floating-point type.
    """
    placement = Placement.of(model)
    count = classes = 0
    sums = []  # of each batch, on its device, which need not be waited for
    with modes_kept(model):
        model.eval()
        for images, labels in batches:
            logits = model(placement.put(images))
            _check(logits, labels)
            labels = labels.to(logits.device, non_blocking=True)
            classes = logits.shape[1]
            hits = _hits(logits, labels)  # (B, min(5, K)), at most one True a row
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            loss = F.cross_entropy(logits, labels.long(), reduction="sum").double()
            sums.append(torch.stack([hits[:, :1].sum().double(), hits.sum().double(), loss]))
            count += len(labels)
    if count == 0:
        raise ValueError("evaluate needs at least one image, got none")
    rows = torch.stack(sums).tolist()
    top1, top5, loss = (sum(column) for column in zip(*rows, strict=True))
    few = classes <= NUM_BEST  # then every answer is among the best
    best = None if few else 100.0 * top5 / count
    return Metrics(top1=100.0 * top1 / count, top5=best, loss=loss / count, count=count)


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    best = logits.topk(min(NUM_BEST, logits.shape[1]), dim=1).indices
    return (best == labels[:, None]) & ~logits.isnan().any(dim=1, keepdim=True)


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"evaluate takes logits (B, K) and labels (B,), got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if labels.is_floating_point():
        raise ValueError(f"evaluate takes integer labels, got {labels.dtype}; give class numbers, not probabilities")
    classes = logits.shape[1]
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(
            f"label {int(wrong)} does not fit a network of {classes} classes (0..{classes - 1}); "
            "build the network with the data set's num_classes"
        )
