"""New archs within a range of MFLOPs."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..spaces import Arch, SearchSpace
from .evaluated import Limit
from .variation import ChoiceTable, Rows, crossover, draw_uniform, mutate, step

MAX_DRAWS = 2**17  # draws a call makes before it gives up; about half a second
MAX_REPEATS = 2**14  # draws within the range but known before it gives up: a small range, or parents much alike
MAX_WALKS = 2**12  # the same for walks, which cost far more each
MAX_MEASURED_DRAWS = 2**12  # draws where a cost is looked at one by one
MAX_MEASURED_WALKS = 2**6  # walks at once where a cost is looked at one by one
MAX_EMPTY = 2  # so many batches of such walks in a row that find nothing are the last
MAX_STEPS = 256  # steps of a walk; from one end of the AttentiveNAS space to the other are 54
LARGEST_BATCH = 2**14


class Proposals:
    """Draws archs that lie within a range of MFLOPs and that it never gave before.

    What falls outside or is known is drawn again, in vectorised batches and a bounded number of times, so a method
    may give fewer than it was asked for.

    Args:
        space: Where the archs come from.
        min_mflops, max_mflops: The range, both ends included, in multiply-adds / 1e6.
        num_classes: Outputs of the classifier, which is part of the cost.
        rng: All randomness.
        limits: What candidates may cost beside.
    """

    def __init__(
        self,
        space: SearchSpace,
        min_mflops: float,
        max_mflops: float,
        num_classes: int,
        rng: np.random.Generator,
        limits: Sequence[Limit] = (),
    ):
        self._space = space
        self._range = (min_mflops, max_mflops)
        self._num_classes = num_classes
        self._rng = rng
        self._batched = [limit for limit in limits if limit.of_batch is not None]
        self._single = [limit for limit in limits if limit.of_batch is None]
        self._table = ChoiceTable(space)
        self._known: set[bytes] = set()

    def exclude(self, archs: Iterable[Arch]) -> None:
        """These are known from now on."""
        self._known.update(row.tobytes() for row in self._rows(archs))

    def release(self, archs: Iterable[Arch]) -> None:
        """These may be given again."""
        archs = list(archs)
        if archs:
            self._known.difference_update(row.tobytes() for row in self._rows(archs))

    def random(self, count: int) -> list[Arch]:
        """Uniform draws; if too few of them fall into the range, walks towards it from uniform draws.

        Uniform draws almost never meet the ends of a space: in AttentiveNAS's one in 100,000 has under 250 MFLOPs,
        though a0 has 203. A walk changes one gene by one candidate at a time, down while above the range and up
        while below, and so reaches any range that is not empty. Archs found so are not uniform within it.
        """
        sizes = self._table.sizes
        found = self._draw(lambda batch: draw_uniform(sizes, batch, self._rng), count, MAX_DRAWS)
        return found + self._draw(self._walk, count - len(found), MAX_WALKS)

    def crossovers(self, parents: Iterable[Arch], count: int) -> list[Arch]:
        """Children of two parents; none if there are not two."""
        rows = self._rows(parents)
        if len(rows) < 2:
            return []
        return self._draw(lambda batch: crossover(rows, batch, self._rng), count, MAX_DRAWS)

    def mutations(self, parents: Iterable[Arch], count: int, probability: float) -> list[Arch]:
        """Children of one parent."""
        rows = self._rows(parents)
        if not len(rows):
            return []
        sizes = self._table.sizes
        return self._draw(lambda batch: mutate(rows, sizes, batch, probability, self._rng), count, MAX_DRAWS)

    def _draw(self, propose: Callable[[int], Rows], count: int, max_draws: int) -> list[Arch]:
        found: list[Rows] = []
        max_draws = min(max_draws, MAX_MEASURED_DRAWS) if self._single else max_draws
        drawn, repeats, empty, batch = 0, 0, 0, max(256, 2 * count)
        while len(found) < count and drawn < max_draws and repeats < MAX_REPEATS and empty < MAX_EMPTY:
            batch = min(batch, LARGEST_BATCH, max_draws - drawn)
            rows = self._table.canonical(propose(batch))
            inside = rows[self._side(rows) == 0]
            new = self._claim(inside, count - len(found))
            found += new
            repeats += len(inside) - len(new)
            empty = 0 if new or not self._single or propose != self._walk else empty + 1
            drawn += len(rows)
            batch *= 2
        if not found:
            return []
        return [self._space.from_values(values) for values in self._table.values(np.stack(found))]

    def _claim(self, rows: Rows, room: int) -> list[Rows]:
        """The first `room` rows that are not known; they are from now on."""
        new: list[Rows] = []
        for row in rows:
            if len(new) == room:
                break
            key = row.tobytes()
            if key not in self._known and not self._single_side(row):
                self._known.add(key)
                new.append(row)
        return new

    def _walk(self, batch: int) -> Rows:
        batch = min(batch, MAX_MEASURED_WALKS) if self._single else batch
        rows = draw_uniform(self._table.sizes, batch, self._rng)
        outside = np.arange(batch)
        for _ in range(MAX_STEPS):
            side = self._side(rows[outside])
            if self._single:
                side = np.asarray([of or self._single_side(row) for of, row in zip(side, rows[outside], strict=True)])
            outside, side = outside[side != 0], side[side != 0]
            moved = step(rows[outside], self._table.sizes, side < 0, self._rng)
            if (moved == rows[outside]).all():  # all have arrived, or stand at the end of the space
                break
            rows[outside] = moved
        return rows

    def _side(self, rows: Rows) -> NDArray[np.int64]:
        """(n,): -1 below a range, 0 within all, 1 above one; of what is looked at one by one, `_single_side` tells."""
        (low, high), values = self._range, self._table.values(rows)
        costs = [(self._space.mflops_batch(values, num_classes=self._num_classes), low, high)]
        costs += [(limit.of_batch(values), limit.least, limit.most) for limit in self._batched if limit.of_batch]
        above = np.any([cost > most for cost, _, most in costs], axis=0)
        below = np.any([cost < least for cost, least, _ in costs], axis=0)
        return above.astype(np.int64) - (below & ~above)

    def _single_side(self, row: Rows) -> int:
        """The same of one arch, by the limits that are looked at one by one."""
        if not self._single:
            return 0
        arch = self._space.from_values(self._table.values(row[None])[0])
        return next((side for limit in self._single if (side := limit.side(arch))), 0)

    def _rows(self, archs: Iterable[Arch]) -> Rows:
        return self._table.indices(self._space.values_batch(archs))
