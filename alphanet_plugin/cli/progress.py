"""Progress, all of one kind: a bar on a terminal, elsewhere a line every so often."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from ..training import Trainer

_FIRST_LINE, _LATER_LINES = 2.0, 15.0  # seconds


class Advance(Protocol):
    """Say how far a stage, or a part of it that has a name, is: how many of how many, and a note to show beside."""

    def __call__(self, done: int, total: int, note: str = "", part: str = "") -> None: ...


def say(what: str, *, shown: bool = True) -> None:
    """One line on what is being done now, beside a verb's results."""
    if shown:
        print(what, file=sys.stderr, flush=True)


def say_where_it_begins(trainer: Trainer) -> None:
    """Say, on the main rank, at which step a run goes on that was begun before."""
    from ..training import step_of

    if trainer.checkpoint is not None and trainer.accelerator.is_main_process:
        step = step_of(trainer.checkpoint)
        what = "going on from" if step < trainer.total_steps else "already trained:"
        say(f"{what} step {step} of {trainer.total_steps} ({trainer.checkpoint})")


@contextmanager
def progress_bar(stage: str, *, shown: bool = True) -> Iterator[Advance]:
    """A bar for one stage. Where the output is no terminal: a line at its start, every 15 s, and at its end.

    Args:
        stage: What is being done, such as "train".
        shown: False on ranks that should stay silent.
    """
    console = Console(stderr=True)
    if not shown:
        yield lambda done, total, note="", part="": None  # noqa: ARG005
    elif not console.is_terminal:
        lines = _Lines(stage)
        yield lines.advance
        lines.end()
    else:
        with _bar(console) as progress:
            tasks = {"": progress.add_task(stage, total=None, note="")}

            def advance(done: int, total: int, note: str = "", part: str = "") -> None:
                if part and "" in tasks:  # the first part takes the stage's own bar
                    tasks[part] = tasks.pop("")
                    progress.update(tasks[part], description=part)
                if part not in tasks:
                    tasks[part] = progress.add_task(part, total=None, note="")
                progress.update(tasks[part], completed=done, total=total, note=note)

            yield advance


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:<9}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("eta"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    return Progress(*columns, console=console)


class _Lines:
    """A stage's progress as lines: ``train 40/160 0:01:05 loss 2.1``."""

    def __init__(self, stage: str):
        self.stage, self.began = stage, time.monotonic()
        self.next = self.began + _FIRST_LINE
        self.last = self.printed = ("", "")
        say(f"{stage} ...")

    def advance(self, done: int, total: int, note: str = "", part: str = "") -> None:
        self.last = (f"{part} {done}/{total}".lstrip(), note)
        if time.monotonic() >= self.next:
            self._print()
            self.next = time.monotonic() + _LATER_LINES

    def end(self) -> None:
        if self.last != self.printed:
            self._print()

    def _print(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        count, note = self.last
        say(f"{self.stage:<9} {count} {minutes}:{seconds:02} {note}".rstrip())
        self.printed = self.last
