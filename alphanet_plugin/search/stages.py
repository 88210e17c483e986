"""Evaluating many candidates on few images, and the promising ones on more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import SearchError
from ..spaces import Arch
from .cost import Cost, mflops_cost
from .evaluated import Evaluated
from .parents import select_parents

if TYPE_CHECKING:
    from ..evaluation import Metrics


@dataclass(frozen=True)
class Stage:
    """An evaluation on part of the images, which chooses who is evaluated on more.

    Attributes:
        share: Of the images for BatchNorm and of those for accuracy, between 0 and 1.
        evaluate: Arch -> metrics, top1 and loss among them.
    """

    share: float
    evaluate: Callable[[Arch], Mapping[str, float] | Metrics]


def num_promoted(count: int, share: float, next_share: float) -> int:
    """How many of `count` candidates go from one stage to the next: as many as make it cost no more image passes.

    That is successive halving (Jamieson and Talwalkar, AISTATS 2016) with equal budgets; one candidate always goes on.
    """
    if not 0 < share < next_share <= 1:
        raise ValueError(f"shares of images ascend from above 0 to 1, got {share} before {next_share}")
    return min(count, max(1, int(count * share / next_share + 1e-9)))


def promote(
    points: Sequence[Evaluated], count: int, *, rank: str = "pareto", cost: Cost = mflops_cost, bin_mflops: float = 10.0
) -> list[Evaluated]:
    """The `count` most promising of candidates that were evaluated on the same share of images, in their order.

    They are ranked as a search ranks parents (`select_parents`), but by cross entropy in place of accuracy: on a few
    dozen images most candidates get equally many right, while their losses still tell them apart.

    Raises:
        SearchError: The shares differ, or no loss was measured.
    """
    if len({point.share for point in points}) > 1:
        raise SearchError("candidates evaluated on different shares of the images do not compare")
    by_loss = [replace(point, metrics={"promise": _promise(point)}) for point in points]
    chosen = select_parents(by_loss, count, rank=rank, metric="promise", cost=cost, bin_mflops=bin_mflops)
    archs = {point.arch for point in chosen}
    return [point for point in points if point.arch in archs]


def _promise(point: Evaluated) -> float:
    if "loss" not in point.metrics:
        raise SearchError(f"a staged search ranks by loss; there are {', '.join(point.metrics) or 'no metrics'}")
    return -point.metrics["loss"]
