"""Progress, all of one kind: a bar on a terminal and in a notebook's cell, elsewhere a line every so often."""

from __future__ import annotations

import html
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from ..training import Trainer

_OPENING, _FIRST_LINE, _LATER_LINES, _REDRAWN = 1.0, 2.0, 15.0, 0.25  # seconds


_NOTEBOOK = "JPY_PARENT_PID"
"""In the environment of what a notebook's cell starts, whose terminal keeps every redrawn bar."""


class Advance(Protocol):
    """Say how far a stage, or a part of it that has a name, is: how many of how many, and a note to show beside."""

    def __call__(self, done: int, total: int, note: str = "", part: str = "") -> None: ...


_notice: _Notice | None = None


def say(what: str, *, shown: bool = True) -> None:
    """One line on what is being done now, beside a verb's results; one that ends in "..." is said again if it lasts."""
    if shown:
        if _notice is not None:
            _notice.put_off(what)
        _write(what)


@contextmanager
def said_if_slow(what: str) -> Iterator[None]:
    """Say `what` after a second, and what is being done every 15 s while the block says nothing and has no bar.

    Loading torch, timm and images takes seconds, as does much that has no steps to count.
    """
    global _notice
    _notice = _Notice(what)
    try:
        yield
    finally:
        _notice.ended.set()
        _notice = None


def say_if_slow(what: str) -> None:
    """In the block of `said_if_slow`: from now on it is this that is being done."""
    if _notice is not None:
        _notice.begin(what)


class _Notice:
    """Says what is being done where nothing else was said for long."""

    def __init__(self, what: str):
        self.bars = 0
        self.changing = threading.Lock()
        self.ended = threading.Event()
        self.begin(what)
        threading.Thread(target=self._watch, name="notice", daemon=True).start()

    def begin(self, what: str) -> None:
        """Say it after a second."""
        with self.changing:
            now = time.monotonic()
            self.verb = self.doing = (what, now)  # with its beginning
            self.due, self.said = now + _OPENING, False

    def put_off(self, said: str = "", bars: int = 0) -> None:
        """Something was said, or a bar (1) was begun or (-1) ended."""
        with self.changing:
            self.bars += bars
            self.doing = (said, time.monotonic()) if said.endswith("...") else self.verb
            self.due, self.said = time.monotonic() + _LATER_LINES, True

    def _watch(self) -> None:
        while not self.ended.wait(min(_OPENING / 5, _LATER_LINES)):
            with self.changing:
                if not self.bars and time.monotonic() >= self.due:
                    what, began = self.doing
                    _write(f"{what} {_clock(began)}" if self.said else what)
                    self.due, self.said = time.monotonic() + _LATER_LINES, True


@contextmanager
def _instead_of_notices() -> Iterator[None]:
    """While a stage shows its own progress."""
    notice = _notice
    if notice is None:
        yield
        return
    notice.put_off(bars=1)
    try:
        yield
    finally:
        notice.put_off(bars=-1)


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")  # at once, as another thread or process may write too
    sys.stderr.flush()


def _clock(began: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    return f"{minutes}:{seconds:02}"


def say_where_it_begins(trainer: Trainer) -> None:
    """Say, on the main rank, at which step a run goes on that was begun before."""
    from ..training import step_of

    if trainer.checkpoint is not None and trainer.accelerator.is_main_process:
        step = step_of(trainer.checkpoint)
        what = "going on from" if step < trainer.total_steps else "already trained:"
        say(f"{what} step {step} of {trainer.total_steps} ({trainer.checkpoint})")


@contextmanager
def progress_bar(stage: str, *, shown: bool = True) -> Iterator[Advance]:
    """A bar for one stage. Where there is neither terminal nor notebook: a line at its start, every 15 s, at its end.

    Args:
        stage: What is being done, such as "train".
        shown: False on ranks that should stay silent.
    """
    console = Console(stderr=True)
    if not shown:
        yield lambda done, total, note="", part="": None  # noqa: ARG005
    elif console.is_jupyter:
        yield _Cell(stage).advance
    elif not console.is_terminal or _NOTEBOOK in os.environ:
        with _instead_of_notices():
            lines = _Lines(stage)
            try:
                yield lines.advance
                lines.end()
            finally:
                lines.ended.set()
    else:
        with _instead_of_notices(), _bar(console) as progress:
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
    # What goes to a file or another program goes past the bar.
    return Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty())


class _Cell:
    """A stage's progress in the output of a notebook's cell: bars that are drawn anew in their place."""

    def __init__(self, stage: str):
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        self.stage, self.began, self.drawn = stage, time.monotonic(), 0.0
        self.parts: dict[str, tuple[int, int, str]] = {}
        self.handle: Any = display(self._shown(), raw=True, display_id=True)

    def advance(self, done: int, total: int, note: str = "", part: str = "") -> None:
        self.parts[part] = (done, total, f"{_clock(self.began)} {note}".rstrip())
        if done == total or time.monotonic() - self.drawn > _REDRAWN:
            self.drawn = time.monotonic()
            self.handle.update(self._shown(), raw=True)

    def _shown(self) -> dict[str, Any]:
        """As HTML, and as text for what shows none."""
        rows = [(part or self.stage, *figures) for part, figures in self.parts.items()]
        text = [f"{name} {done}/{total} {note}" for name, done, total, note in rows]
        bars = [
            f'<div><progress value="{done}" max="{total}"></progress> <code>{html.escape(line)}</code></div>'
            for line, (_, done, total, _) in zip(text, rows, strict=True)
        ]
        waiting = f"{self.stage} ..."
        return {"text/plain": "\n".join(text) or waiting, "text/html": "".join(bars) or f"<code>{waiting}</code>"}


class _Lines:
    """A stage's progress as lines: ``train 40/160 0:01:05 loss 2.1``, also while one step of it takes long."""

    def __init__(self, stage: str):
        self.stage, self.began = stage, time.monotonic()
        self.last = self.printed = ("", "")
        self.ended = threading.Event()
        _write(f"{stage} ...")
        self.beat = threading.Thread(target=self._beat, name="progress", daemon=True)
        self.beat.start()

    def advance(self, done: int, total: int, note: str = "", part: str = "") -> None:
        self.last = (f"{part} {done}/{total}".lstrip(), note)

    def end(self) -> None:
        self.ended.set()
        self.beat.join()
        if self.last != self.printed:
            self._print()

    def _beat(self) -> None:
        pause = _FIRST_LINE
        while not self.ended.wait(pause):
            self._print()
            pause = _LATER_LINES

    def _print(self) -> None:
        count, note = self.printed = self.last
        _write(" ".join(filter(None, (f"{self.stage:<9}", count, _clock(self.began), note))))
