"""The evolution of AttentiveNAS and AlphaNet; evaluating many candidates on few images, and the promising on more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..errors import SearchError
from ..spaces import Arch
from .evaluated import Cost, Evaluated, mflops_cost
from .evolution_rounds import GIVEN, EvolutionRounds, Proposal, next_batch
from .history import HistoryEntry, SearchHistory
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


@dataclass(eq=False)
class EvolutionSearch(EvolutionRounds):
    """The rounds of an evolution, its subnets evaluated in the order of the proposals (AlphaNet, section 4.2).

    No subnet is evaluated twice, also none that the history knows: a search that is run again with its
    history repeats the evaluated part without evaluating and goes on as if it had never stopped. It may have more
    rounds then; other sizes or another seed lead elsewhere, and still use what the history knows.

    With `stages` a round's candidates are all evaluated by the first, the most promising of them by the next, and
    what is left in full. Only those evaluated in full may become parents and are results, so figures of different
    shares are never compared. `initial` subnets are evaluated in full at once.

    Attributes:
        evaluate: Measures a subnet, as an `evaluation.Evaluator` does; a mapping of names to numbers will do.
        history: Where results are kept and found again.
        on_evaluated: Called after each evaluation, done now or found in the history, with its number from 1, the
            total `num_evaluations`, and the subnet with its share.
        stages: Rougher evaluations, ascending in their share of the image passes; see `promote`.
        spread: As `map`, which it is by default: applies an evaluation to archs, one after the other or shared out
            among processes, and gives what it measured in the archs' order. Each is recorded before the next is asked
            for.

    The others are those of `EvolutionRounds`.
    """

    evaluate: Callable[[Arch], Mapping[str, float] | Metrics]
    history: SearchHistory | None = field(default=None, kw_only=True)
    on_evaluated: Callable[[int, int, Evaluated], None] | None = field(default=None, kw_only=True)
    stages: Sequence[Stage] = field(default=(), kw_only=True)
    spread: Callable[[Callable[[Arch], Any], Sequence[Arch]], Iterator[Any]] = field(default=map, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = [stage.share for stage in self.stages] + [1.0]
        if not all(0 < low < high for low, high in pairwise(shares)):
            raise ValueError(f"stages: shares of the image passes ascend from above 0 to below 1, got {shares[:-1]}")

    @property
    def num_evaluations(self) -> int:
        """Evaluations of all rounds and stages, unless they end early."""
        children = self.num_crossovers + self.num_mutations
        rounds = [self.num_random] + [children] * (self.num_rounds - 1)
        return len(self.initial) + sum(sum(self._stage_sizes(count)) for count in rounds if count)

    def run(self) -> list[Evaluated]:
        """Every subnet that was evaluated in full, in order.

        Raises:
            SearchError: No arch was found within the range, a metric cannot be ranked, or the history cannot be
                written.
        """
        rounds, number = self.rounds(), 0
        done: list[Evaluated] = []
        self._evaluations = 0
        batch = next_batch(rounds)
        while batch is not None:
            measured = self._measure_round(batch, number)
            done += measured
            batch, number = next_batch(rounds, measured), number + 1
        return done

    def _measure_round(self, batch: list[Proposal], number: int) -> list[Evaluated]:
        """The round's subnets that are evaluated in full, in the order of the proposals."""
        candidates = [arch for arch, origin in batch if origin not in GIVEN]
        origins = dict(batch)
        sizes = self._stage_sizes(len(candidates))
        for stage, count in zip(self.stages, sizes[1:], strict=True):
            points = self._measure_all(candidates, number, origins, stage)
            chosen = promote(points, count, rank=self.rank, cost=self.cost, bin_mflops=self.bin_mflops)
            candidates = [point.arch for point in chosen]
        left = set(candidates)
        archs = [arch for arch, origin in batch if origin in GIVEN or arch in left]
        return self._measure_all(archs, number, origins, Stage(1.0, self.evaluate))

    def _stage_sizes(self, count: int) -> list[int]:
        """How many of a round's candidates each stage evaluates, the full evaluation last."""
        shares = [stage.share for stage in self.stages] + [1.0]
        sizes = [count]
        for share, next_share in pairwise(shares):
            sizes.append(num_promoted(sizes[-1], share, next_share))
        return sizes

    def _measure_all(
        self, archs: Sequence[Arch], number: int, origins: Mapping[Arch, str], stage: Stage
    ) -> list[Evaluated]:
        """What a stage measures of a round's archs, in their order; what the history knows is not evaluated."""
        known = [self.history.get(arch, stage.share) if self.history is not None else None for arch in archs]
        missing = [arch for arch, entry in zip(archs, known, strict=True) if entry is None]
        measured = iter(self.spread(stage.evaluate, missing))
        found = []
        for arch, entry in zip(archs, known, strict=True):
            if entry is None:
                subnet = self._recorded(arch, next(measured), stage.share, number, origins[arch])
            else:
                subnet = entry.evaluated
                subnet.score(self.metric)
            found.append(subnet)
            self._evaluations += 1
            if self.on_evaluated:
                self.on_evaluated(self._evaluations, self.num_evaluations, subnet)
        return found

    def _recorded(
        self, arch: Arch, measured: Mapping[str, float] | Metrics, share: float, round_number: int, origin: str
    ) -> Evaluated:
        metrics = measured if isinstance(measured, Mapping) else measured.to_dict()
        numbers = {name: float(value) for name, value in metrics.items()}
        subnet = Evaluated(arch, self._mflops(arch), numbers, share)
        subnet.score(self.metric)  # an unusable result is not worth keeping
        if self.history is not None:
            self.history.record(HistoryEntry(subnet, round_number, origin))
        return subnet
