"""Tasks of steps: done once, where the study's work runs, with what cannot be used left out and listed."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from stratacam.files import write_table, write_text
from stratacam.interruption import broken_off_at
from stratacam.study.cache import Cache, Entry, Task
from stratacam.study.execution import Failure, Workers, run_each
from stratacam.study.progress import say, step_progress

MAXIMUM_REASONS = 3
"""Reasons to do a step again that are said."""


@dataclass(frozen=True, order=True)
class Absence:
    """Something that was left out: at which step, which scan or subject, and why."""

    name: str
    step: str
    reason: str


class Work:
    """Does the tasks of steps; knows what is done, what was left out, and how long each step took.

    Args:
        records: folder of the records of what is done.
        console: where progress is shown.
        workers: where tasks run.
    """

    def __init__(self, records: Path, console: Console, workers: Workers) -> None:
        self.console = console
        self.workers = workers
        self.cache = Cache(records)
        self.absences: list[Absence] = []
        self.seconds: dict[str, float] = {}
        self.finished: dict[str, str] = {}

    def leave_out(self, name: str, step: str, reason: str, trace: str | None = None) -> None:
        """Leave a scan or subject out, say so, and keep the traceback of what was no user's mistake."""
        if trace:
            path = self.cache.folder / "errors" / f"{step}-{name}.txt"
            write_text(path, trace)
            reason = f"{reason} (details: {path})"
        self.absences.append(Absence(name, step, reason))
        say(self.console, f"left out: {name}, at {step}: {reason}", "yellow")

    def write_left_out(self, path: Path) -> None:
        """Write everything left out to a table: name, step, reason."""
        rows = [(one.name, one.step, " ".join(one.reason.split())) for one in sorted(self.absences)]
        write_table(path, [("name", "step", "reason"), *rows])

    def entries(self, step: str, tasks: Mapping[str, Task], cache: Cache | None = None) -> dict[str, Entry]:
        """Derive the keys of tasks; leave out what has an input that cannot be read."""
        found = {}
        for name, task in tasks.items():
            try:
                found[name] = (cache or self.cache).entry(task)
            except OSError as fault:
                self.leave_out(name, step, f"{fault.filename}: cannot be read ({fault.strerror}).")
        return found

    def each(self, step: str, tasks: Mapping[str, Task], *, networks: bool = False) -> set[str]:
        """Do every task that is not done yet, see `do`."""
        return self.do(step, self.entries(step, tasks), networks=networks)

    def do(
        self,
        step: str,
        entries: Mapping[str, Entry],
        cache: Cache | None = None,
        *,
        networks: bool = False,
    ) -> set[str]:
        """Do every task that is not done yet; leave out what fails.

        Args:
            step: the tasks are of.
            entries: tasks in the cache, by name.
            cache: that the records are in, if not the study's own.
            networks: whether tasks run a network for long, see `Workers.executor`.

        Returns:
            Names of the tasks whose result is there.
        """
        cache = cache or self.cache
        pending = {name: one for name, one in entries.items() if not cache.is_done(step, name, one)}
        done = set(entries) - set(pending)
        if not pending:
            say(self.console, f"{step}: unchanged" + (f" ({len(done)})" if done else ""))
            return done
        self._say_why(step, pending, cache)
        executor = self.workers.executor(networks=len(entries) if networks else None)
        with self._timed(step), executor as place, step_progress(self.console, step) as advance:
            advance(len(done), len(entries), "starting")
            tasks = {name: one.task for name, one in pending.items()}
            for name, outcome in run_each(place, do_task, tasks):
                if isinstance(outcome, Failure):
                    self.leave_out(name, step, outcome.reason, outcome.trace)
                else:
                    cache.finish(step, name, entries[name])
                    done.add(name)
                advance(len(done), len(entries), name)
        return done

    def once(
        self, step: str, task: Task | Entry, *, item: str = "study", do: Callable[[], object] | None = None
    ) -> None:
        """Do a task in this process unless it is done.

        Args:
            step: it is of.
            task: what is to be done.
            item: what it is done for.
            do: does the task, where that takes more than its fields, such as somebody who is told how far it is.
        """
        entry = task if isinstance(task, Entry) else self.cache.entry(task)
        of = "" if item == "study" else f" ({item})"
        if self.cache.is_done(step, item, entry):
            say(self.console, f"{step}: unchanged{of}")
            return
        self._say_why(step, {item: entry}, self.cache)
        before = self.seconds.get(step, 0.0)
        with self._timed(step):
            (do or entry.task.do)()
        self.cache.finish(step, item, entry)
        say(self.console, f"{step}: {self.seconds[step] - before:.0f} s{of}")

    def _say_why(self, step: str, pending: Mapping[str, Entry], cache: Cache) -> None:
        """Say why what was done before is done again."""
        why = Counter("; ".join(cache.why(step, name, one)) for name, one in pending.items())
        for reason, count in why.most_common(MAXIMUM_REASONS):
            if reason:
                of = f" {count} of {len(pending)}" if len(pending) > 1 else ""
                say(self.console, f"{step}: again{of}, since {reason}")

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        """Keep the seconds that a step takes."""
        start = time.perf_counter()
        try:
            with broken_off_at(step):
                yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
            self.finished[step] = datetime.now(UTC).isoformat(timespec="seconds")


def do_task(task: Task) -> None:
    """Do a task in a worker process."""
    task.do()
