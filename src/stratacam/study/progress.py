"""What the user sees while a study runs."""

from collections.abc import Iterator
from contextlib import contextmanager
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


class Advance(Protocol):
    """Tell how far a step is."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """`done` of `total`, and what is being done."""


@contextmanager
def step_progress(console: Console, title: str) -> Iterator[Advance]:
    """A bar for one step with what is being done and the time left; plain lines without a terminal."""
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
        told = -1
        where = title

        def advance(done: int, total: int, message: str) -> None:
            nonlocal told, where
            where = f"{title}, {done} of {total} done"
            bar.update(task, completed=done, total=total, description=message)
            quarter = 4 * done // max(total, 1)
            if not console.is_terminal and quarter != told:
                told = quarter
                console.print(f"{title}: {done} of {total}, {message}", highlight=False)

        try:
            yield advance
        except Interrupted as stop:
            stop.where = stop.where or where
            raise
