"""Which subnets of a round NNI's trials have, and what becomes of those that never report."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from ...spaces import Arch


class HandedOut:
    """The subnets of one round: waiting, handed out to trials, measured, or given up.

    Which of several trials at once has which subnet is not asked: NNI's local and remote services give parameters to
    trials in the order in which those ask, and list them as if in the order of submission. A subnet that was handed
    out is lost for certain only when no trial is left that could have it; then it is handed out again.

    Args:
        max_retries: How often a subnet is handed out again.
    """

    def __init__(self, max_retries: int):
        self.max_retries = max_retries
        self.live: set[int] = set()  # parameter ids of trials that have not ended
        self._waiting: deque[Arch] = deque()
        self._pending: dict[Arch, None] = {}  # handed out, no result yet; in order
        self._retries: Counter[Arch] = Counter()

    def add(self, archs: Iterable[Arch]) -> None:
        """These wait for a trial."""
        self._waiting.extend(archs)

    def adopt(self, parameter_id: int, arch: Arch) -> None:
        """A trial of before a resumption goes on with this subnet."""
        self.live.add(parameter_id)
        if arch in self._waiting:
            self._waiting.remove(arch)
            self._pending[arch] = None

    def take(self, parameter_id: int) -> Arch | None:
        """The next subnet, for the trial with these parameters; None if none waits."""
        if not self._waiting:
            return None
        arch = self._waiting.popleft()
        self.live.add(parameter_id)
        self._pending[arch] = None
        return arch

    def measured(self, arch: Arch) -> None:
        """A result came."""
        self._pending.pop(arch, None)
        if arch in self._waiting:
            self._waiting.remove(arch)

    def is_done(self) -> bool:
        """Nothing waits and nothing is to come."""
        return not self._waiting and not self._pending

    def may_wait_for_results(self) -> bool:
        """Nothing waits, but trials run that may yet report."""
        return not self._waiting and bool(self._pending) and bool(self.live)

    def retry_lost(self) -> tuple[list[Arch], list[Arch]]:
        """Those that no trial has any more: (put back to wait, given up). Nothing while a trial could have them."""
        if self.live:
            return [], []
        again, given_up = [], []
        for arch in self._pending:
            (again if self._retries[arch] < self.max_retries else given_up).append(arch)
        self._pending.clear()
        self._retries.update(again)
        self._waiting.extend(again)
        return again, given_up
