"""Evaluating many candidates on few images, and the promising ones on more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import SearchError
from ..spaces import Arch
from .cost import Cost, mflops_cost
from .evaluated import Evaluated
from .variation import select_parents

if TYPE_CHECKING:
    from ..evaluation import Metrics


@dataclass(frozen=True)
class Stage:
    """An evaluation on part of the images, which chooses who is evaluated on more.

    Attributes:
        share: Of the image passes that a full evaluation takes, between 0 and 1.
        evaluate: Arch -> metrics, top1 and loss among them.
    """

    share: float
    evaluate: Callable[[Arch], Mapping[str, float] | Metrics]


def num_promoted(count: int, share: float, next_share: float) -> int:
    """How many of `count` candidates go from one stage to the next: as many as let it cost no more image passes.

    That is successive halving (Jamieson and Talwalkar, AISTATS 2016) with equal budgets; one candidate always goes on.
    """
    if not 0 < share < next_share <= 1:
        raise ValueError(f"shares of image passes ascend from above 0 to 1, got {share} before {next_share}")
    return min(count, max(1, int(count * share / next_share + 1e-9)))


def promote(
    points: Sequence[Evaluated], count: int, *, rank: str = "pareto", cost: Cost = mflops_cost, bin_mflops: float = 10.0
) -> list[Evaluated]:
    """The `count` most promising of candidates that were evaluated by the same stage, in their order.

    They are ranked as a search ranks parents (`select_parents`), with two differences. Cross entropy stands for
    accuracy: on a few dozen images most candidates get equally many right, while their losses still tell them apart.
    And each input resolution sends its own best, as many as are its share of the candidates: rough figures of different
    resolutions do not compare, because how rough a small batch's BatchNorm statistics are depends on how many values a
    channel has.

    Raises:
        SearchError: The shares differ, or no loss was measured.
    """
    if len({point.share for point in points}) > 1:
        raise SearchError("candidates evaluated on different shares of image passes do not compare")
    groups: dict[object, list[Evaluated]] = {}
    for point in points:
        by_loss = replace(point, metrics={"promise": _promise(point)})
        groups.setdefault(point.arch.to_dict().get("resolution"), []).append(by_loss)
    places = _shared_out(count, [len(group) for group in groups.values()])
    archs: set[Arch] = set()
    for group, number in zip(groups.values(), places, strict=True):
        if number:
            chosen = select_parents(group, number, rank=rank, metric="promise", cost=cost, bin_mflops=bin_mflops)
            archs.update(point.arch for point in chosen)
    return [point for point in points if point.arch in archs]


def _shared_out(count: int, sizes: Sequence[int]) -> list[int]:
    """At most `count` places for groups of these sizes, in proportion; what is left goes to the largest remainders."""
    exact = [count * size / max(1, sum(sizes)) for size in sizes]
    places = [int(part) for part in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda group: places[group] - exact[group])
    for group in by_remainder[: count - sum(places)]:
        places[group] += 1
    return [min(part, size) for part, size in zip(places, sizes, strict=True)]


def _promise(point: Evaluated) -> float:
    if "loss" not in point.metrics:
        raise SearchError(f"a staged search ranks by loss; there are {', '.join(point.metrics) or 'no metrics'}")
    return -point.metrics["loss"]
