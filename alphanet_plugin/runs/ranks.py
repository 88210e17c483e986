"""The processes of one launch: the first hands out what can be done apart, and the others help it."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from ..errors import RanksError, one_line

PATIENCE = 60.0  # seconds without a sign of life after which a process counts as dead
_PAUSE = 0.02  # seconds between looks at the store
_FAREWELL = 5.0  # seconds that the first waits for the others, and they for its last word
_JOINING = timedelta(minutes=10)
_OF_LAUNCH = ("WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # RANK stays, by which the first alone says things
_AGAIN = "what was done is kept, and the same command goes on from there"

Work = Callable[[Any], Any]


def launched() -> tuple[int, int]:
    """This process's number in its launch by torchrun or Accelerate, and of how many; (0, 1) where there was none."""
    if not {"RANK", "WORLD_SIZE"} <= set(os.environ):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def leave_launch() -> None:
    """Be a process by itself from now on, for Accelerate as well, which would wait for the others of the launch."""
    for name in _OF_LAUNCH:
        os.environ.pop(name, None)


@contextmanager
def joined_ranks(patience: float = PATIENCE) -> Iterator[Ranks]:
    """The processes of this launch while the block runs; one alone where nothing was launched.

    In the first the block does what one process would do, and hands parts of it out (`Ranks.spread`); in the others it
    ends with `Ranks.serve`, and they say nothing. None trains here: to Accelerate each is a process by itself.

    Raises:
        RanksError: One died, was ended from outside, or sees other images or weights than the first.
        SystemExit: In another than the first, where the first says what is wrong.
    """
    rank, size = launched()
    if size == 1:
        yield Ranks()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    store, rank, size = next(iter(distributed.rendezvous("env://", timeout=_JOINING)))
    leave_launch()
    if rank:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
    ranks = Ranks(distributed.PrefixStore("alphanet", store), rank, size, local, patience)
    with _ended_from_outside():
        try:
            yield ranks
        except BaseException as error:
            ranks.close(error)
            raise
        ranks.close()


class Ranks:
    """Processes that share work.

    Items are taken from a common list one after the other by whoever is free, so that none waits for a slow one, and
    the results come to the first in the list's order. A result must not depend on who does the work.

    Args:
        store: What all of them see, a store of torch.distributed; None for one process alone.
        rank: This one's number; the first is 0.
        size: How many there are.
        local: This one's number on its machine.
        patience: Seconds without a sign of life after which a process counts as dead.
    """

    def __init__(
        self, store: Any = None, rank: int = 0, size: int = 1, local: int = 0, patience: float = PATIENCE
    ) -> None:
        self.rank, self.size, self.local = rank, size, local
        self._store = store
        self._jobs = 0
        self._works: list[Work] = []
        self._about = ""
        self._signs = None if store is None else _SignsOfLife(store, rank, size, patience)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def device(self, name: str) -> str:
        """Where this process computes: of several on a machine each has a GPU of its own."""
        return f"cuda:{self.local % torch.cuda.device_count()}" if name == "cuda" and self.size > 1 else name

    # -- the first ------------------------------------------------------------------------------------------------

    def offer(self, works: Sequence[Work], about: Mapping[str, Any]) -> None:
        """Say what may be handed out; the others `serve` the same works in the same order.

        Args:
            works: Functions of one argument, which goes between processes as their results do.
            about: What results depend on, JSON values; all processes must have the same.
        """
        self._works, self._about = list(works), _text(about)

    def spread(self, work: Work, items: Sequence[Any]) -> Iterator[Any]:
        """As ``map(work, items)``, with the items shared out; `work` is one of those of `offer`.

        Raises:
            RanksError: A process died or failed. What the work itself raises comes at its item's place.
        """
        if self.size == 1 or not items:
            yield from map(work, items)
            return
        job, self._jobs = self._jobs, self._jobs + 1
        self._store.set(f"job/{job}", pickle.dumps((self._about, self._works.index(work), list(items))))
        mine: dict[int, _Outcome] = {}
        free = self._free_places(job, len(items))
        for place in range(len(items)):
            while (outcome := mine.pop(place, None) or self._sent(job, place)) is None:
                self.check()
                taken = next(free, None)
                if taken is None:
                    time.sleep(_PAUSE)
                else:
                    mine[taken] = _outcome(work, items[taken])
            yield outcome.value()

    def wait_for_others(self) -> None:
        """Until all others have loaded what they need, as for measuring time undisturbed."""
        while self.size > 1 and self._store.add("serving", 0) < self.size - 1:
            self.check()
            time.sleep(_PAUSE)

    def _sent(self, job: int, place: int) -> _Outcome | None:
        key = f"done/{job}/{place}"
        if not self._store.check([key]):
            return None
        outcome = pickle.loads(self._store.get(key))
        self._store.delete_key(key)
        return outcome

    # -- the others -----------------------------------------------------------------------------------------------

    def serve(self, works: Sequence[Work], about: Mapping[str, Any]) -> None:
        """Help the first until it ends; see `offer`.

        Raises:
            RanksError: The first died, or sees another run.
        """
        try:
            self._serve(works, _text(about))
        except distributed.DistError as error:  # the first holds the store
            raise RanksError(f"process 0 of {self.size} has died; {_AGAIN}") from error

    def _serve(self, works: Sequence[Work], about: str) -> None:
        self._store.add("serving", 1)
        job = 0
        while not self.check():
            if not self._store.check([f"job/{job}"]):
                time.sleep(_PAUSE)
                continue
            theirs, number, items = pickle.loads(self._store.get(f"job/{job}"))
            self._check_same(theirs, about)
            for place in self._free_places(job, len(items)):
                self._store.set(f"done/{job}/{place}", _outcome(works[number], items[place]).to_bytes())
                if self.check():
                    return
            job += 1

    def _check_same(self, theirs: str, mine: str) -> None:
        if theirs != mine:
            first, other = json.loads(theirs), json.loads(mine)
            keys = [key for key in {**first, **other} if first.get(key) != other.get(key)]
            raise RanksError(
                f"process {self.rank} of {self.size} sees another run than process 0: {', '.join(keys)} differ; give "
                "every machine the same run and images"
            )

    # -- all ------------------------------------------------------------------------------------------------------

    def check(self) -> bool:
        """Whether the first has ended.

        Raises:
            RanksError: A process died or failed.
        """
        assert self._signs is not None
        if self.is_first and self._store.check(["failed"]):
            raise RanksError(self._store.get("failed").decode())
        if not self.is_first and (self._signs.ended.is_set() or self._store.check(["end"])):
            return True
        if self._signs.silent is not None:
            raise RanksError(f"process {self._signs.silent} of {self.size} has died; {_AGAIN}")
        return False

    def close(self, error: BaseException | None = None) -> None:
        """Tell the others that this one ends; SystemExit in another than the first where the first says why."""
        assert self._signs is not None
        with suppress(distributed.DistError):  # who holds the store is gone
            self._end_all(error) if self.is_first else self._end_one(error)
        self._signs.stopped.set()

    def _end_all(self, error: BaseException | None) -> None:
        self._store.set("end", "1")
        until = time.monotonic() + (0.0 if error else _FAREWELL)
        while time.monotonic() < until and self._store.add("farewell", 0) < self._store.add("serving", 0):
            time.sleep(_PAUSE)

    def _end_one(self, error: BaseException | None) -> None:
        assert self._signs is not None
        if error is None:
            self._store.add("farewell", 1)
            return
        until = time.monotonic() + _FAREWELL
        if isinstance(error, Exception) and not isinstance(error, _EndedError) and self._signs.silent is None:
            self._store.set("failed", one_line(error))
            until = math.inf
        while not self._store.check(["end"]) and self._signs.silent is None and time.monotonic() < until:
            time.sleep(_PAUSE)
        if self._store.check(["end"]) or self._store.add("said", 1) > 1:
            self._signs.stopped.set()
            raise SystemExit(2)

    def _free_places(self, job: int, count: int) -> Iterator[int]:
        """Places of a job's list that no other process has taken."""
        while (place := self._store.add(f"taken/{job}", 1) - 1) < count:
            yield place


class _SignsOfLife:
    """A thread that says that this process lives, and looks whether the others do: the first after all, they after it.

    Attributes:
        silent: The number of a process that was there and says nothing any more.
        ended: Set in the others when the first has ended.
        stopped: To be set when this process ends.
    """

    def __init__(self, store: Any, rank: int, size: int, patience: float):
        self.silent: int | None = None
        self.ended, self.stopped = threading.Event(), threading.Event()
        self._store, self._rank, self._patience = store, rank, patience
        self._last = dict.fromkeys([0] if rank else range(1, size), (0, 0.0))
        threading.Thread(target=self._run, name="signs of life", daemon=True).start()

    def _run(self) -> None:
        while not self.stopped.wait(min(1.0, self._patience / 10)):
            try:
                self._store.add(f"alive/{self._rank}", 1)
                if self._rank and self._store.check(["end"]):
                    self.ended.set()
                    return
                self._look()
            except distributed.DistError:  # who holds the store is gone
                self.silent = 0
            if self.silent is not None:
                return

    def _look(self) -> None:
        now = time.monotonic()
        for rank, (count, since) in self._last.items():
            found = self._store.add(f"alive/{rank}", 0)
            if found != count:
                self._last[rank] = found, now
            elif count and now - since > self._patience:
                self.silent = rank


class _EndedError(RanksError):
    """This process was told to end, as a launcher tells the others where one died."""


@contextmanager
def _ended_from_outside() -> Iterator[None]:
    """Being told to end raises `_EndedError` in the main thread."""

    def end(*_: object) -> None:
        raise _EndedError(f"ended from outside, as a launcher does where one of its processes died; {_AGAIN}")

    with when_told_to_end(end):
        yield


def _leave(number: int, *_: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def when_told_to_end(end: Callable[..., None] = _leave) -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is closed, call `end` while the block runs; in the main thread alone.

    By default it leaves the block as an error does, so that what the block started is stopped too. It is called once:
    what comes after, such as a launcher's second word, would disturb the stopping.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # ignored, as under nohup, or somebody else's outside Python
    before = {one: was for one in known if (was := signal.getsignal(one)) not in (signal.SIG_IGN, None)}

    def told(number: int, frame: Any) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        end(number, frame)

    for one in before:
        signal.signal(one, told)
    try:
        yield
    finally:
        for one, was in before.items():
            signal.signal(one, was)


@dataclass(frozen=True)
class _Outcome:
    """What a work gave, or the error that it ended with."""

    result: Any = None
    error: Exception | None = None

    def value(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result

    def to_bytes(self) -> bytes:
        try:
            content = pickle.dumps(self)
            pickle.loads(content)
        except Exception:  # some errors cannot be sent
            return pickle.dumps(_Outcome(error=RuntimeError(one_line(self.error or TypeError("no result to send")))))
        return content


def _outcome(work: Work, item: Any) -> _Outcome:
    try:
        return _Outcome(work(item))
    except RanksError:
        raise
    except Exception as error:
        return _Outcome(error=error)


def _text(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True, default=str)
