"""The evolution of AttentiveNAS and AlphaNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from ..spaces import Arch
from .evaluated import Evaluated
from .evolution_rounds import EvolutionRounds, next_batch
from .history import HistoryEntry, SearchHistory

if TYPE_CHECKING:
    from ..evaluation import Metrics


@dataclass(eq=False)
class EvolutionSearch(EvolutionRounds):
    """The rounds of an evolution, evaluated here one subnet after the other (AlphaNet, section 4.2).

    No subnet is evaluated twice, also none that the history knows: a search that is run again with its
    history repeats the evaluated part without evaluating and goes on as if it had never stopped. It may have more
    rounds then; other sizes or another seed lead elsewhere, and still use what the history knows.

    Attributes:
        evaluate: Measures a subnet, as an `evaluation.Evaluator` does; a mapping of names to numbers will do.
        history: Where results are kept and found again.
        on_evaluated: Called after each subnet, evaluated now or found in the history, with its number from 1, the
            total `num_evaluations`, and the subnet.

    The others are those of `EvolutionRounds`.
    """

    evaluate: Callable[[Arch], Mapping[str, float] | Metrics]
    history: SearchHistory | None = field(default=None, kw_only=True)
    on_evaluated: Callable[[int, int, Evaluated], None] | None = field(default=None, kw_only=True)

    def run(self) -> list[Evaluated]:
        """Every subnet of the search, in order.

        Raises:
            SearchError: No arch was found within the range, a metric cannot be ranked, or the history cannot be
                written.
        """
        rounds, number = self.rounds(), 0
        done: list[Evaluated] = []
        batch = next_batch(rounds)
        while batch is not None:
            for arch, origin in batch:
                done.append(self._measure(arch, number, origin))
                if self.on_evaluated:
                    self.on_evaluated(len(done), self.num_evaluations, done[-1])
            batch, number = next_batch(rounds, done[-len(batch) :]), number + 1
        return done

    def _measure(self, arch: Arch, round_number: int, origin: str) -> Evaluated:
        known = self.history.get(arch) if self.history is not None else None
        if known is not None:
            known.evaluated.score(self.metric)
            return known.evaluated
        measured = self.evaluate(arch)
        metrics = measured if isinstance(measured, Mapping) else asdict(measured)
        subnet = Evaluated(arch, self._mflops(arch), {name: float(value) for name, value in metrics.items()})
        subnet.score(self.metric)  # an unusable result is not worth keeping
        if self.history is not None:
            self.history.record(HistoryEntry(subnet, round_number, origin))
        return subnet
