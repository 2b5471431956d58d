"""Work on scans: done once, in an executor, with what cannot be used left out and listed."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from stratacam.files import write_text
from stratacam.interruption import broken_off_at
from stratacam.study.execution import Failure, run_each
from stratacam.study.ledger import Ledger
from stratacam.study.progress import step_progress


@dataclass(frozen=True, order=True)
class Absence:
    """Something that was left out: at which step, which scan or subject, and why."""

    name: str
    step: str
    reason: str


@dataclass(frozen=True)
class Task:
    """One scan's work in a step: the arguments, the key of what decides the result, and what it leaves."""

    arguments: tuple[Any, ...]
    key: str
    outputs: tuple[Path, ...]


class Work:
    """Runs steps, and keeps what is done, what was left out, and how long each step took.

    Args:
        records: folder of the records of what is done.
        console: where progress is shown.
    """

    def __init__(self, records: Path, console: Console) -> None:
        self.records = records
        self.console = console
        self.ledger = Ledger(records)
        self.absences: list[Absence] = []
        self.seconds: dict[str, float] = {}
        self.finished: dict[str, str] = {}

    def leave_out(self, name: str, step: str, reason: str, trace: str | None = None) -> None:
        """Leave a scan or subject out, say so, and keep the traceback of what was no user's mistake."""
        if trace:
            path = self.records / "errors" / f"{step}-{name}.txt"
            write_text(path, trace)
            reason = f"{reason} (details: {path})"
        self.absences.append(Absence(name, step, reason))
        self.console.print(
            f"left out: {name}, at {step}: {reason}",
            style="yellow",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def write_left_out(self, path: Path) -> None:
        """Write everything left out to a table: name, step, reason."""
        rows = [("name", "step", "reason")]
        rows += [
            (absence.name, absence.step, " ".join(absence.reason.split()))
            for absence in sorted(self.absences)
        ]
        write_text(path, "".join("\t".join(row) + "\n" for row in rows))

    def each(
        self, step: str, function: Callable[..., Any], tasks: Mapping[str, Task], executor: Executor
    ) -> set[str]:
        """Run `function` for every task that is not done yet; leave out what fails.

        Returns:
            Names of the tasks whose result is there.
        """
        pending = {
            name: task for name, task in tasks.items() if not self.ledger.is_done(step, name, task.key)
        }
        done = set(tasks) - set(pending)
        if not pending:
            self.unchanged(step, len(done))
            return done
        with self.timed(step), step_progress(self.console, step) as advance:
            advance(len(done), len(tasks), "starting")
            arguments = {name: task.arguments for name, task in pending.items()}
            for finished in run_each(executor, function, arguments):
                name = finished.name
                if isinstance(finished.outcome, Failure):
                    self.leave_out(name, step, finished.outcome.reason, finished.outcome.trace)
                else:
                    self.ledger.finish(step, name, tasks[name].key, tasks[name].outputs)
                    done.add(name)
                advance(len(done), len(tasks), name)
        return done

    def once(
        self, step: str, key: str, outputs: Sequence[Path], work: Callable[[], object], *, item: str = "study"
    ) -> None:
        """Do a piece of work, of one item or for the whole study, unless it is done."""
        if self.ledger.is_done(step, item, key):
            self.unchanged(step)
            return
        with self.timed(step):
            work()
        self.ledger.finish(step, item, key, outputs)
        self.console.print(f"{step}: {self.seconds[step]:.0f} s", highlight=False)

    def unchanged(self, step: str, count: int | None = None) -> None:
        """Say that a step need not be done again."""
        of = f" ({count})" if count else ""
        self.console.print(f"{step}: unchanged{of}", highlight=False)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Keep the seconds that a step takes."""
        start = time.perf_counter()
        try:
            with broken_off_at(step):
                yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
            self.finished[step] = datetime.now(UTC).isoformat(timespec="seconds")
