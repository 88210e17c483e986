"""Tasks in a few processes that live through many of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from ..errors import AlphaNetError
from .cell_kind import Advance

Task = TypeVar("Task")
Run = Callable[[Task, Advance], None]
_POLL = 0.5  # seconds


@dataclass(frozen=True)
class Done:
    """A task that ended.

    Attributes:
        number: Its place among the tasks.
        error: One line if it failed; None if it went well.
        details: The traceback of an error that is nobody's typing mistake.
    """

    number: int
    error: str | None = None
    details: str = ""


def run_tasks(
    tasks: Sequence[Task],
    run: Run[Task],
    *,
    workers: int,
    threads: int,
    on_progress: Callable[[list[tuple[int, int]]], None],
    on_done: Callable[[Done], None],
    prepare: Callable[[], object] | None = None,
) -> None:
    """Run every task; one that fails, or whose process dies, does not stop the others.

    Args:
        tasks: What `run` is given; with more than one worker they and `run` must pickle.
        run: (task, advance) -> None, at a module's top level.
        workers: Processes. One means this process.
        threads: torch's, of each worker.
        on_progress: Now and then given (units done, units in all) of every task.
        on_done: Given each task that ended.
        prepare: What each worker does first, at a module's top level.
    """
    workers = min(workers, len(tasks))
    if workers > 1:
        _Pool(tasks, run, workers, threads, on_progress, on_done, prepare).run()
    elif tasks:
        _run_here(tasks, run, threads, on_progress, on_done)


def _run_here(
    tasks: Sequence[Task],
    run: Run[Task],
    threads: int,
    on_progress: Callable[[list[tuple[int, int]]], None],
    on_done: Callable[[Done], None],
) -> None:
    import torch

    before = torch.get_num_threads()
    progress = [(0, 0)] * len(tasks)
    torch.set_num_threads(threads)
    try:
        for number, task in enumerate(tasks):

            def advance(done: int, total: int, number: int = number) -> None:
                progress[number] = (done, total)
                on_progress(progress)

            on_done(_attempt(number, task, run, advance))
    finally:
        torch.set_num_threads(before)


def _attempt(number: int, task: Task, run: Run[Task], advance: Advance) -> Done:
    try:
        run(task, advance)
    except (AlphaNetError, ValueError, OSError) as error:
        return Done(number, " ".join(str(error).split()) or type(error).__name__, traceback.format_exc())
    except Exception as error:
        return Done(number, f"{type(error).__name__}: {' '.join(str(error).split())}", traceback.format_exc())
    return Done(number)


class _Pool:
    """One pipe a process: whose process was killed is known, and another takes its place for the tasks that are left.

    (`concurrent.futures` gives all of its tasks up when one process dies.)
    """

    def __init__(self, tasks, run, workers, threads, on_progress, on_done, prepare=None):
        self.context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self.tasks, self.run_task, self.threads = tasks, run, threads
        self.on_progress, self.on_done, self.prepare = on_progress, on_done, prepare
        self.left = list(range(len(tasks)))[::-1]
        self.progress = self.context.RawArray("q", 2 * len(tasks))  # without a lock that a killed process could hold
        self.workers = workers
        self.busy: dict[Connection, tuple[Any, int]] = {}

    def run(self) -> None:
        idle: list[tuple[Connection, Any]] = []
        try:
            while self.left or self.busy:
                while self.left and len(self.busy) < self.workers:
                    self._give(*(idle.pop() if idle else self._start()))
                for connection in wait(list(self.busy), timeout=_POLL):
                    self._receive(connection, idle)  # type: ignore[arg-type]
                self.on_progress([tuple(self.progress[2 * n : 2 * n + 2]) for n in range(len(self.tasks))])
        finally:
            self._end(idle)

    def _start(self) -> tuple[Connection, Any]:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=_serve,
            args=(theirs, self.run_task, self.progress, self.threads, self.prepare),
            name="alphanet study",
        )
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return ours, process

    def _give(self, connection: Connection, process: Any) -> None:
        number = self.left.pop()
        self.busy[connection] = (process, number)
        with suppress(OSError):  # it died meanwhile; `_receive` finds that out
            connection.send((number, self.tasks[number]))

    def _receive(self, connection: Connection, idle: list[tuple[Connection, Any]]) -> None:
        process, number = self.busy.pop(connection)
        try:
            done = connection.recv()
            idle.append((connection, process))
        except (EOFError, OSError):
            process.join()
            connection.close()
            done = Done(number, f"its process {_ended(process.exitcode)}")
        self.on_done(done)

    def _end(self, idle: list[tuple[Connection, Any]]) -> None:
        """Let idle processes go, and terminate busy ones, which there are only if this one was interrupted."""
        for connection, _ in idle:
            connection.close()  # the end of its pipe is the end of an idle process
        busy = [process for process, _ in self.busy.values()]
        for process in busy:
            process.terminate()
        for process in [*busy, *(process for _, process in idle)]:
            process.join(timeout=10)
            if process.exitcode is None:
                process.kill()
                process.join()


def _ended(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"ended with status {exitcode}"
    hint = ", perhaps for want of memory: try fewer workers" if exitcode == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-exitcode).name}{hint}"


def _serve(
    connection: Connection, run: Run[Any], progress: Any, threads: int, prepare: Callable[[], object] | None
) -> None:
    """What a worker does: take a task, run it, say how it ended, until the parent closes the pipe or is gone."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who then ends this process
    torch.set_num_threads(threads)
    if prepare:
        prepare()
    parent = os.getppid()
    with suppress(EOFError, OSError):
        while True:
            number, task = connection.recv()

            def advance(done: int, total: int, number: int = number) -> None:
                if os.getppid() != parent:
                    os._exit(1)
                progress[2 * number : 2 * number + 2] = [done, total]

            connection.send(_attempt(number, task, run, advance))
