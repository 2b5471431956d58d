"""What the user sees while a study runs: a bar in a terminal; elsewhere lines that read well in a file."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from weakref import WeakKeyDictionary

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stratacam.interruption import Interrupted
from stratacam.study.durations import duration, rate
from stratacam.study.repeated import repeated

SILENCE_S = 60.0
"""Seconds after which something is said even if nothing has happened, without a terminal."""

SPACING_S = 2.0
"""Seconds between two lines of one step, without a terminal: a step that takes less has one line."""

WATCH_S = 1.0
"""Seconds between two looks at what is at work."""

MAXIMUM_NAMES = 3
"""Tasks at work that are named."""


@dataclass
class _Said:
    """What was said to a console: when, and steps that are still to be named together as unchanged."""

    at: float = field(default_factory=time.monotonic)
    unchanged: dict[str, list[str]] = field(default_factory=dict)


_SAID: WeakKeyDictionary[Console, _Said] = WeakKeyDictionary()


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a line about the work, with the time at which it is said."""
    say_what_is_unchanged(console)
    _print(console, text, style)


def say_unchanged(console: Console, step: str, what: str = "") -> None:
    """Print that a step had nothing to do for something, together with others that follow it."""
    _said(console).unchanged.setdefault(step, []).extend([what] if what else [])


def say_what_is_unchanged(console: Console) -> None:
    """Print which steps had nothing to do, if that has not been said."""
    waiting = _said(console).unchanged
    if waiting:
        text = ", ".join(
            f"{step}: unchanged" + (f" ({', '.join(what)})" if what else "") for step, what in waiting.items()
        )
        waiting.clear()
        _print(console, text)


def _said(console: Console) -> _Said:
    return _SAID.setdefault(console, _Said())


def _print(console: Console, text: str, style: str | None = None) -> None:
    _said(console).at = time.monotonic()
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    console.print(f"{now}  {text}", style=style, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def breaking_silence(console: Console, words: Callable[[], str]) -> Iterator[None]:
    """Within this, `words` are said whenever nothing was for `SILENCE_S`, without a terminal."""

    def speak() -> None:
        if time.monotonic() > _said(console).at + SILENCE_S:
            say(console, words())

    if console.is_terminal:
        yield
        return
    with repeated(WATCH_S, speak):
        yield


class Advance(Protocol):
    """Tell how far a step is."""

    def __call__(self, done: int, total: int, message: str, *, failed: int = 0, again: int = 0) -> None:
        """`done` of `total`, what is being done, how many failed, and how many were tried more than once."""


@dataclass
class _Pace:
    """How far a step is, and how fast.

    Attributes:
        title: of the step.
        at_work: names of the tasks that are being done; None: the message says it.
    """

    title: str
    at_work: Callable[[], Sequence[str]] | None
    begun: float = field(default_factory=time.monotonic)
    first: int | None = None
    done: int = 0
    total: int = 0
    failed: int = 0
    again: int = 0
    message: str = ""

    @property
    def ended(self) -> int:
        """Tasks that have ended since the step began."""
        return self.done + self.failed - (self.first or 0)

    @property
    def is_going_on(self) -> bool:
        """Whether something is left."""
        return self.done + self.failed < self.total

    @property
    def names(self) -> str:
        """What is being done."""
        if self.at_work is None:
            return self.message
        names = self.at_work()
        more = f" and {len(names) - MAXIMUM_NAMES} more" if len(names) > MAXIMUM_NAMES else ""
        return ", ".join(names[:MAXIMUM_NAMES]) + more

    def head(self) -> str:
        """How far it is."""
        counts = f"{self.title}: {self.done} of {self.total}"
        counts += f", {self.failed} failed" if self.failed else ""
        return counts + (f", {self.again} tried again" if self.again else "")

    def line(self) -> str:
        """How far it is, how fast, what is left, and what is being done."""
        parts, seconds = [self.head()], time.monotonic() - self.begun
        if self.ended:
            left = seconds / self.ended * (self.total - self.done - self.failed)
            parts.append(f"{rate(self.ended, seconds)}, about {duration(left)} left")
        names = self.names
        if self.at_work and not self.ended:
            parts.append(f"{'for' if names else 'starting, for'} {duration(seconds)}")
        if names:
            parts.append(f"at work: {names}" if self.at_work else names)
        return "; ".join(parts)

    def last(self) -> str:
        """What came of it."""
        message = f"; {self.message}" if self.message and not self.at_work else ""
        return f"{self.head()} in {duration(time.monotonic() - self.begun)}{message}"


class _Lines:
    """Lines about a step: at every quarter of it, where it is silent, and in the end."""

    def __init__(self, console: Console, pace: _Pace) -> None:
        self.console, self.pace = console, pace
        self.quarter = 0
        self.spoken = 0.0

    def advanced(self) -> None:
        """Speak where another quarter is reached, and the last line is not of just now."""
        pace = self.pace
        reached = 4 * (pace.done + pace.failed) // max(pace.total, 1)
        is_due = time.monotonic() >= (self.spoken or pace.begun) + SPACING_S
        if reached != self.quarter and pace.is_going_on and is_due:
            self.quarter = reached
            self._speak()

    def watch(self) -> None:
        """Speak where nothing has been said of the step yet, or nothing at all for long."""
        now = time.monotonic()
        is_new = not self.spoken and now > self.pace.begun + SPACING_S
        if self.pace.first is not None and (is_new or now > _said(self.console).at + SILENCE_S):
            self._speak()

    def end(self) -> None:
        """Say what came of the step."""
        if self.pace.first is not None:
            say(self.console, self.pace.last())

    def _speak(self) -> None:
        self.spoken = time.monotonic()
        say(self.console, self.pace.line())


class _Bar:
    """A bar for a step, with what is being done and the time left."""

    def __init__(self, bar: Progress, pace: _Pace) -> None:
        self.bar, self.pace = bar, pace
        self.task = bar.add_task("", total=None, title=pace.title)

    def watch(self) -> None:
        """Draw it as it is now."""
        pace = self.pace
        trouble = pace.head().partition(f"{pace.total}, ")[2]
        words = "; ".join(part for part in (trouble, pace.names) if part)
        done, total = pace.done + pace.failed, pace.total or None
        self.bar.update(self.task, completed=done, total=total, description=words)

    advanced = end = watch


@contextmanager
def _bar(console: Console, pace: _Pace) -> Iterator[_Bar]:
    with Progress(
        TextColumn("{task.fields[title]:<10}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}"),
        console=console,
        transient=False,
    ) as bar:
        yield _Bar(bar, pace)


@contextmanager
def step_progress(
    console: Console, title: str, at_work: Callable[[], Sequence[str]] | None = None
) -> Iterator[Advance]:
    """A bar for one step with what is being done and the time left; lines with the time without a terminal.

    Args:
        console: where it is shown.
        title: of the step.
        at_work: gives the names of the tasks that are being done; the message says it if absent.
    """
    pace = _Pace(title, at_work)
    say_what_is_unchanged(console)
    with _bar(console, pace) if console.is_terminal else nullcontext(_Lines(console, pace)) as shown:

        def advance(done: int, total: int, message: str, *, failed: int = 0, again: int = 0) -> None:
            pace.first = done if pace.first is None else pace.first
            pace.done, pace.total, pace.message = done, total, message
            pace.failed, pace.again = failed, again
            shown.advanced()

        try:
            with repeated(WATCH_S, shown.watch):
                yield advance
        except Interrupted as stop:
            stop.where = stop.where or (f"{title}, {pace.done} of {pace.total} done" if pace.total else title)
            raise
        shown.end()
