"""Tasks of steps: done once, where the study's work runs, with what cannot be used left out and listed."""

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import remove_leftovers, write_table, write_text
from stratacam.interruption import broken_off_at
from stratacam.study.cache import Cache, Entry, Task
from stratacam.study.durations import duration
from stratacam.study.execution import Conduct, Ended, Failure, Workers, metered, run_each
from stratacam.study.log import run_log
from stratacam.study.marks import MARKS, names_at_work, noting_what_is_stopped
from stratacam.study.part import Part, StepDoneError, with_check
from stratacam.study.patience import Patience
from stratacam.study.progress import breaking_silence, say, say_unchanged, step_progress
from stratacam.study.stamps import Stamp, stamps

Result = TypeVar("Result")

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
        only: the part of one step that is to be done; None: all of every step.
    """

    def __init__(self, records: Path, console: Console, workers: Workers, only: Part | None = None) -> None:
        self.console = console
        self.workers = workers
        self.only = only
        self.cache = Cache(records)
        self.log = run_log(records)
        self.whole = 0  # scans of the cohort, where a part looks at its own alone
        self.absences: list[Absence] = []
        self.seconds: dict[str, float] = {}
        self.finished: dict[str, str] = {}
        self.lost = False
        self.fence = self.marks / f"run-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        self._patience = Patience()
        self._has_records = records.is_dir()

    @property
    def marks(self) -> Path:
        """Folder of the marks of tasks that are being done, a folder for each step."""
        return self.cache.folder / MARKS

    @property
    def is_untouched(self) -> bool:
        """Whether no task was begun and nothing left out."""
        return not (self.seconds or self.absences)

    def clear(self, folder: Path) -> None:
        """Remove what killed processes have left: half-written files below a folder, and marks of tasks."""
        remove_leftovers(folder)
        shutil.rmtree(self.marks, ignore_errors=True)

    def _put_fence(self) -> Path:
        """A file that goes with this run, and without which its tasks write nothing; made where it is not there."""
        if not self.fence.is_file():
            self.fence.parent.mkdir(parents=True, exist_ok=True)
            self.fence.touch()
        return self.fence

    def leave_out(self, name: str, step: str, reason: str, trace: str | None = None) -> None:
        """Leave a scan or subject out, say so, and keep the traceback of what was no user's mistake."""
        if trace:
            path = self.cache.folder / "errors" / f"{step}-{name}.txt"
            with suppress(OSError, InputError):  # where the disk is full, the reason is said all the same
                write_text(path, trace)
                reason = f"{reason} (details: {path})"
        self.absences.append(Absence(name, step, reason))
        self.log.write("left out", step=step, name=name, reason=reason)
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
                found[name] = self._patiently(partial((cache or self.cache).entry, task))
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
        pending = {
            name: one
            for name, one in entries.items()
            if not self._patiently(partial(cache.is_done, step, name, one))
        }
        done = set(entries) - set(pending)
        if self.only:
            pending = self._part_of(step, pending, cache)
        whole = max(len(entries), self.whole)
        counts = {"step": step, "done": len(done), "total": whole, "part": bool(self.only)}
        if not pending:
            say_unchanged(self.console, step, str(len(done) or ""))
            self.log.unchanged(**counts)
            return done
        self._say_why(step, pending, cache)
        run, limit = self.workers.run, self.workers.run.limit_s(step)
        conduct = Conduct(limit_s=limit, marks=self.marks / step, fence=self._put_fence())
        place = self.workers.place(
            networks=len(entries) if networks else None, limit_s=limit, started=self._cluster_started
        )
        self.log.write("step", pending=len(pending), **counts)
        total, failed, again = len(done) + len(pending), 0, 0
        at_work = partial(names_at_work, self.marks / step, set(pending))
        with (
            self._timed(step),
            place as here,
            noting_what_is_stopped(self.log, self.marks / step, set(pending)),
            step_progress(self.console, step, at_work) as advance,
        ):
            advance(len(done), total, "starting")
            tasks = {name: one.task for name, one in pending.items()}
            for ended in run_each(here, do_task, tasks, conduct=conduct, retries=run.retries):
                self._take(step, ended, entries[ended.name], cache)
                again += ended.tries > 1
                if isinstance(ended.outcome, Failure):
                    failed += 1
                else:
                    done.add(ended.name)
                advance(len(done), total, ended.name, failed=failed, again=again)
        return done

    def _cluster_started(self, sentence: str) -> None:
        """Say where a cluster is, and where it can be seen at work."""
        say(self.console, sentence)
        if client := self.workers.client:
            self.log.write("cluster", scheduler=client.scheduler.address, dashboard=client.dashboard_link)

    def _take(self, step: str, ended: Ended[list[Stamp | None]], entry: Entry, cache: Cache) -> None:
        """Record what came of a task: that it is done, or why not."""
        name, outcome = ended.name, ended.outcome
        self.lost = self.lost or ended.tries > 1
        usage = asdict(ended.usage) if ended.usage else {}
        what = {"step": step, "name": name, "tries": ended.tries, **usage}
        if isinstance(outcome, Failure):
            self.log.write("task", outcome="failed", reason=outcome.reason, **what)
            with suppress(OSError, InputError):
                cache.fail(step, name, entry, outcome.reason)
            self.leave_out(name, step, outcome.reason, outcome.trace)
        else:
            self._patiently(partial(cache.finish, step, name, entry, outcome))
            self.log.write("task", outcome="done", **what)

    def _part_of(self, step: str, pending: Mapping[str, Entry], cache: Cache) -> dict[str, Entry]:
        """Of what is not done what this run is to do; of steps before, what failed is left out.

        Raises:
            StepDoneError: the step comes after the one that is to be done.
            InputError: the step comes before, and something was not tried.
        """
        only, first = cast("Part", self.only), step.partition(" ")[0]
        if only.is_before(first):
            raise StepDoneError
        if only.is_of(first):
            return {name: one for name, one in pending.items() if only.has(name)}
        for name, one in pending.items():
            reason = cache.failure(step, name, one)
            if reason is None:
                raise InputError(
                    f"{step}: {name} is not done, which --step {only.step} needs; do it first with --step "
                    f"{with_check(first)}."
                )
            self.leave_out(name, step, reason)
        return {}

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """What a call returns, tried again for a while where its folder, or the study's, is away."""

        def where_it_was() -> Result:
            if self._has_records:
                self.cache.folder.stat()
            return call()

        return self._patience.call(
            where_it_was, told=lambda reason: say(self.console, f"waiting, since {reason}", "yellow")
        )

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
            say_unchanged(self.console, step, "" if item == "study" else item)
            self.log.unchanged(step=step, name=item)
            return
        if self.only:  # which is a part of a step; what the whole cohort is needed for comes after
            return
        self._say_why(step, {item: entry}, self.cache)
        self.log.write("step", step=step, name=item)
        used = metered()

        def still() -> str:
            return f"{step}: at work for {duration(used().seconds)}{of}"

        with self._timed(step), breaking_silence(self.console, still):
            (do or entry.task.do)()
            self.log.write("task", outcome="done", step=step, name=item, tries=1, **asdict(used()))
        self._patiently(partial(self.cache.finish, step, item, entry))
        say(self.console, f"{step}: {duration(used().seconds)}{of}")

    def _say_why(self, step: str, pending: Mapping[str, Entry], cache: Cache) -> None:
        """Say why what was done before is done again."""
        why = Counter(
            "; ".join(self._patiently(partial(cache.why, step, name, one))) for name, one in pending.items()
        )
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
            seconds = time.perf_counter() - start
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds
            self.log.write("step done", step=step, seconds=round(seconds, 1))
            self.finished[step] = datetime.now(UTC).isoformat(timespec="seconds")


def do_task(task: Task) -> list[Stamp | None]:
    """Do a task in a worker process; return the stamps of its outputs."""
    task.do()
    return stamps(task.outputs)
