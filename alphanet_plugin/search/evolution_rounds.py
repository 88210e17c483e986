"""Which subnets each round of an evolution evaluates."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from ..errors import SearchError
from ..spaces import Arch, SearchSpace
from .evaluated import Cost, Evaluated, Limit, mflops_cost
from .predictor import MIN_POINTS, PREDICTORS, Predictor, choose_promising
from .proposals import Proposals
from .variation import RANKS, select_parents

logger = logging.getLogger(__name__)

GIVEN = ("preset", "given")  # origins of subnets that were asked for by name
Proposal = tuple[Arch, str]
Rounds = Generator[list[Proposal], Sequence[Evaluated], None]


@dataclass(eq=False)
class EvolutionRounds:
    """Random subnets, then rounds of crossovers and mutations of the best (AlphaNet, section 4.2).

    The defaults are the paper's: 512 random subnets, then 128 crossovers and 128 mutations of the best 128. The paper
    repeats "the second step 20 times" and counts 5,376 networks in all. The two do not agree: 5,376 is
    512 + 19 x 256, `num_rounds` 20 with the random one, which is the default here; 20 rounds of children after the
    random one, 512 + 20 x 256 = 5,632 networks, are `num_rounds` 21. The released example is `rank` ``"bins"`` with
    200 to 1200 MFLOPs; its other figures are the defaults.

    No subnet is proposed twice. Who evaluates them, and in which order within a round, is not decided here: proposals
    depend on the seed, the metrics and the costs alone.

    Where too few new children are found, mutations fill in for crossovers and random subnets for mutations. Where
    nothing new is left within the range the rounds end early, which is logged.

    Attributes:
        space: Where subnets come from.
        min_mflops: Least cost, in multiply-adds / 1e6; included in the range.
        max_mflops: Greatest cost, in multiply-adds / 1e6; included in the range.
        num_classes: Outputs of the classifier, which is part of the cost.
        num_random: Random subnets in the first round.
        num_parents: Subnets that may have children in a round.
        num_crossovers: Children of two parents in each later round: each gene is either's, with even odds.
        num_mutations: Children of one parent in each later round.
        num_rounds: Rounds in all, the random one included.
        mutation_probability: For each gene to change to another candidate.
        rank: How parents are chosen, ``"pareto"``, ``"accuracy"`` or ``"bins"``; see `select_parents`.
        cost: What ``"pareto"`` ranks by beside the metric; the range stays one of MFLOPs.
        bin_mflops: Width of the bins of ``"bins"``, in multiply-adds / 1e6.
        metric: The metric to rank by, of which more is better.
        seed: Of all randomness.
        limits: What candidates may cost beside; like the range of MFLOPs.
        predictor: Who ranks the candidates of each later round by what it was fitted on, the subnets evaluated so far:
            ``"ridge"`` or ``"mlp"``, see `Predictor`; None to evaluate all that are proposed.
        predictor_pool: With a predictor so many are proposed for each that is evaluated.
        initial: Subnets, such as presets, to evaluate first. Those outside the range are measured and returned for
            comparison, but never become parents.
    """

    space: SearchSpace
    _: KW_ONLY
    min_mflops: float
    max_mflops: float
    num_classes: int
    num_random: int = 512
    num_parents: int = 128
    num_crossovers: int = 128
    num_mutations: int = 128
    num_rounds: int = 20
    mutation_probability: float = 0.2
    rank: str = "pareto"
    cost: Cost = mflops_cost
    bin_mflops: float = 10.0
    metric: str = "top1"
    seed: int = 0
    limits: Sequence[Limit] = ()
    predictor: str | None = None
    predictor_pool: int = 32
    initial: Sequence[Arch] = ()

    def __post_init__(self) -> None:
        _check_at_least(1, num_random=self.num_random, num_parents=self.num_parents, num_rounds=self.num_rounds)
        _check_at_least(0, num_crossovers=self.num_crossovers, num_mutations=self.num_mutations)
        if not 0 < self.mutation_probability <= 1:
            raise ValueError(f"mutation_probability lies in (0, 1], got {self.mutation_probability}")
        if self.rank not in RANKS:
            raise ValueError(f"rank: {self.rank!r} is not known; choose from {', '.join(RANKS)}")
        _check_at_least(1, predictor_pool=self.predictor_pool)
        if self.predictor not in (None, *PREDICTORS):
            raise ValueError(
                f"predictor: {self.predictor!r} is not known; choose from {', '.join(PREDICTORS)}, or None"
            )
        if not self.bin_mflops > 0:
            raise ValueError(f"bin_mflops must be above 0, got {self.bin_mflops}")
        if not self.min_mflops <= self.max_mflops:
            given = f"min_mflops {self.min_mflops} is above max_mflops {self.max_mflops}"
            raise ValueError(f"{given}; {self._reach()}: give a range within these")
        self.initial = tuple(dict.fromkeys(self.space.validate(arch) for arch in self.initial))

    @property
    def num_evaluations(self) -> int:
        """Subnets of all rounds, unless they end early."""
        per_round = self.num_crossovers + self.num_mutations
        return len(self.initial) + self.num_random + (self.num_rounds - 1) * per_round

    def rounds(self) -> Rounds:
        """Yields what to evaluate in each round, as (arch, origin), and is sent what was evaluated of it, in order.

        Raises:
            SearchError: No arch was found within the range, or a metric cannot be ranked.
        """
        rng = np.random.default_rng(self.seed)
        proposals = Proposals(self.space, self.min_mflops, self.max_mflops, self.num_classes, rng, self.limits)
        done: list[Evaluated] = []
        batch = self._first_round(proposals)
        for round_number in range(self.num_rounds):
            if round_number:
                batch = self._next_round(proposals, done)
            if not batch:
                logger.info("search ends after %d of %d subnets: %s", len(done), self.num_evaluations, self._no_more())
                return
            done += yield batch

    def _first_round(self, proposals: Proposals) -> list[Proposal]:
        presets = set(self.space.presets.values())
        initial = [(arch, "preset" if arch in presets else "given") for arch in self.initial]
        proposals.exclude(self.initial)
        found = proposals.random(self.num_random)
        if not found and len(self._outside) == len(self.initial):
            raise SearchError(self._no_arch())
        return initial + [(arch, "random") for arch in found]

    def _next_round(self, proposals: Proposals, done: Sequence[Evaluated]) -> list[Proposal]:
        candidates = [subnet for subnet in done if subnet.arch not in self._outside]
        chosen = select_parents(
            candidates,
            self.num_parents,
            rank=self.rank,
            metric=self.metric,
            cost=self.cost,
            bin_mflops=self.bin_mflops,
        )
        parents = [subnet.arch for subnet in chosen]
        predicts = self.predictor is not None and len(candidates) >= MIN_POINTS
        if not predicts:
            return self._children(proposals, parents, 1)
        return self._promising(proposals, self._children(proposals, parents, self.predictor_pool), candidates)

    def _promising(self, proposals: Proposals, children: list[Proposal], known: Sequence[Evaluated]) -> list[Proposal]:
        """The children that a predictor thinks best for their cost; the others may be proposed again."""
        if not children:
            return []
        archs = [arch for arch, _ in children]
        predictor = Predictor(self.space, self.num_classes, self.predictor or "", self.metric)
        chosen = choose_promising(
            archs,
            predictor.fit(known)(archs),
            self.num_crossovers + self.num_mutations,
            mflops=self.space.mflops_batch(archs, num_classes=self.num_classes),
            rank=self.rank,
            cost=self.cost,
            bin_mflops=self.bin_mflops,
        )
        proposals.release(arch for arch in archs if arch not in chosen)
        return [(arch, origin) for arch, origin in children if arch in chosen]

    def _children(self, proposals: Proposals, parents: Sequence[Arch], times: int) -> list[Proposal]:
        """So many times the children of a round."""
        total = times * (self.num_crossovers + self.num_mutations)
        crossovers = proposals.crossovers(parents, times * self.num_crossovers)
        mutations = proposals.mutations(parents, total - len(crossovers), self.mutation_probability)
        strangers = proposals.random(total - len(crossovers) - len(mutations))
        origins = ["crossover"] * len(crossovers) + ["mutation"] * len(mutations) + ["random"] * len(strangers)
        return list(zip([*crossovers, *mutations, *strangers], origins, strict=True))

    def _mflops(self, arch: Arch) -> float:
        return self.space.mflops(arch, num_classes=self.num_classes)

    @cached_property
    def _outside(self) -> set[Arch]:
        """The initial subnets outside the range of MFLOPs or a limit, no candidates; all others are drawn within."""
        return {
            arch
            for arch in self.initial
            if not self.min_mflops <= self._mflops(arch) <= self.max_mflops
            or any(limit.side(arch) for limit in self.limits)
        }

    def _range(self) -> str:
        parts = [f"{self.min_mflops:g} to {self.max_mflops:g} MFLOPs", *map(str, self.limits)]
        return ", ".join(parts)

    def _no_arch(self) -> str:
        limits = "".join(
            f" and from {min(ends):,.4g} to {max(ends):,.4g} {limit.unit}"
            for limit in self.limits
            for ends in [[limit.of(self.space.smallest()), limit.of(self.space.largest())]]
        )
        return f"no arch with {self._range()} was found; {self._reach()}{limits}: widen the range within these"

    def _reach(self) -> str:
        least, most = self._mflops(self.space.smallest()), self._mflops(self.space.largest())
        classes = f"{self.num_classes} classes"
        return f"space {self.space.name} with {classes} reaches from {least:.4g} to {most:.4g} MFLOPs"

    def _no_more(self) -> str:
        return f"no new arch with {self._range()} was found"


def next_batch(rounds: Rounds, measured: Sequence[Evaluated] | None = None) -> list[Proposal] | None:
    """The next round's proposals, after `measured` of the round before (None for the first); None after the last."""
    try:
        return next(rounds) if measured is None else rounds.send(measured)
    except StopIteration:
        return None


def _check_at_least(least: int, **counts: int) -> None:
    for name, count in counts.items():
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
