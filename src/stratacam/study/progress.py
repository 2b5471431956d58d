"""What the user sees while a study runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

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


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a line about the work, with the time at which it is said."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    console.print(f"{now}  {text}", style=style, highlight=False, markup=False, soft_wrap=True)


SILENCE_S = 60
"""Seconds after which the next thing that is done is said, without a terminal."""


class Advance(Protocol):
    """Tell how far a step is."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """`done` of `total`, and what is being done."""


@contextmanager
def step_progress(console: Console, title: str) -> Iterator[Advance]:
    """A bar for one step with what is being done and the time left; lines with the time without a terminal."""
    with Progress(
        TextColumn("{task.fields[title]:<10}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}"),
        console=console,
        transient=False,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None, title=title)
        told, spoken = -1, 0.0
        where = title

        def advance(done: int, total: int, message: str) -> None:
            nonlocal told, spoken, where
            where = f"{title}, {done} of {total} done"
            bar.update(task, completed=done, total=total, description=message)
            quarter = 4 * done // max(total, 1)
            if not console.is_terminal and (quarter != told or time.monotonic() > spoken + SILENCE_S):
                told, spoken = quarter, time.monotonic()
                say(console, f"{title}: {done} of {total}, {message}")

        try:
            yield advance
        except Interrupted as stop:
            stop.where = stop.where or where
            raise
