"""Work on scans: done once, in an executor, with what cannot be used left out and listed."""

import time
from collections import Counter
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
from stratacam.study.ledger import Ledger, Task
from stratacam.study.progress import say, step_progress

MOST_REASONS = 3
"""Reasons to do a step again that are said."""


@dataclass(frozen=True, order=True)
class Absence:
    """Something that was left out: at which step, which scan or subject, and why."""

    name: str
    step: str
    reason: str


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
        say(self.console, f"left out: {name}, at {step}: {reason}", "yellow")

    def write_left_out(self, path: Path) -> None:
        """Write everything left out to a table: name, step, reason."""
        rows = [("name", "step", "reason")]
        rows += [
            (absence.name, absence.step, " ".join(absence.reason.split()))
            for absence in sorted(self.absences)
        ]
        write_text(path, "".join("\t".join(row) + "\n" for row in rows))

    def task(self, function: Callable[..., Any], *arguments: Any, outputs: Sequence[Path]) -> Task:  # noqa: ANN401
        """A piece of work, see `Ledger.task`; what it leaves is known by its key from now on."""
        task = self.ledger.task(function, *arguments, outputs=outputs)
        self.ledger.is_made(task.key, *task.outputs)
        return task

    def each(
        self, step: str, tasks: Mapping[str, Task], executor: Executor, ledger: Ledger | None = None
    ) -> set[str]:
        """Do every task that is not done yet; leave out what fails.

        Args:
            step: the tasks are of, all of one function.
            tasks: by name.
            executor: where they run.
            ledger: that the records are in, if not the study's own.

        Returns:
            Names of the tasks whose result is there.
        """
        ledger = ledger or self.ledger
        pending = {name: task for name, task in tasks.items() if not ledger.is_done(step, name, task)}
        done = set(tasks) - set(pending)
        if not pending:
            self.unchanged(step, len(done))
            return done
        self._say_why(step, pending, ledger)
        (function,) = {task.function for task in pending.values()}
        with self.timed(step), step_progress(self.console, step) as advance:
            advance(len(done), len(tasks), "starting")
            arguments = {name: task.arguments for name, task in pending.items()}
            for finished in run_each(executor, function, arguments):
                name = finished.name
                if isinstance(finished.outcome, Failure):
                    self.leave_out(name, step, finished.outcome.reason, finished.outcome.trace)
                else:
                    ledger.finish(step, name, tasks[name])
                    done.add(name)
                advance(len(done), len(tasks), name)
        return done

    def once(self, step: str, task: Task, *, item: str = "study", advance: object = None) -> None:
        """Do a piece of work here, of one item or for the whole study, unless it is done.

        Args:
            step: it is of.
            task: what is to be done.
            item: what it is done for.
            advance: given to the function besides, where it tells how far it is.
        """
        if self.ledger.is_done(step, item, task):
            self.unchanged(step)
            return
        self._say_why(step, {item: task}, self.ledger)
        with self.timed(step):
            task.function(*task.arguments, *([advance] if advance else []))
        self.ledger.finish(step, item, task)
        say(self.console, f"{step}: {self.seconds[step]:.0f} s")

    def _say_why(self, step: str, pending: Mapping[str, Task], ledger: Ledger) -> None:
        """Say why what was done before is done again."""
        why = Counter("; ".join(ledger.why(step, name, task)) for name, task in pending.items())
        for reason, count in why.most_common(MOST_REASONS):
            if reason and step != "report":  # which is written again whenever anything is done
                of = f" {count} of {len(pending)}" if len(pending) > 1 else ""
                say(self.console, f"{step}: again{of}, since {reason}")

    def unchanged(self, step: str, count: int | None = None) -> None:
        """Say that a step need not be done again."""
        of = f" ({count})" if count else ""
        say(self.console, f"{step}: unchanged{of}")

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
