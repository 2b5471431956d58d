"""Looking at a study from outside, while it runs or after: its logs, its marks, its lock and its processes."""

import os
import socket
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stratacam.study.folders import StudyFolders
from stratacam.study.lock import owner_of
from stratacam.study.log import BEAT_S, FOLDER, LogReader, began
from stratacam.study.marks import Mark, read_marks
from stratacam.study.status.estimate import time_left
from stratacam.study.status.history import History, RunHistory, StepHistory
from stratacam.study.status.order import after, is_part, place_of
from stratacam.study.status.state import Reason, RunState, StepState, StudyState, Task

PATIENCE_S = 5 * BEAT_S
"""Seconds without a word from another machine after which a run there counts as killed."""

SKEW_S = 300.0
"""Seconds by which clocks of machines may differ."""


@dataclass
class Look:
    """Looks at a study again and again, and reads each time only what is new.

    Attributes:
        folders: of the study.
    """

    folders: StudyFolders
    _history: History = field(default_factory=History)
    _reader: LogReader | None = None

    def now(self) -> StudyState:
        """How far the study is."""
        records = self.folders.records
        self._reader = self._reader or LogReader(records)
        for file, event in self._reader.read():
            self._history.add(file, event)
        history, now = self._history, datetime.now(UTC)
        owner = owner_of(records)
        at_work = [run for run in history.runs.values() if _is_at_work(run, records, now, owner)]
        if owner and not at_work:  # which has found nothing to do so far
            at_work = [_newcomer(owner, now)]
        shown = at_work or list(history.runs.values())[-1:]
        running, broken_off = _tasks(read_marks(records), history, at_work, now)
        states = [_run_state(run, run in at_work, records, now) for run in shown]
        state = "at work" if at_work else states[0].state if states else "never run"
        if state == "done" and is_part(shown[0].command):
            state = "killed" if broken_off else "parts ended"  # no other makes a part good
        return StudyState(
            study=str(self.folders.root),
            state=state,
            runs=tuple(states),
            steps=tuple(_steps(history, at_work, running, now)),
            running=tuple(running),
            broken_off=tuple(broken_off),
            left_out=tuple(Reason(step, name, why) for (step, name), why in history.left_out.items()),
            next_steps=tuple(
                dict.fromkeys(step for run in at_work for step in after(run.command, run.steps))
            ),
            lock_held=owner is not None,
        )


def _is_at_work(run: RunHistory, records: Path, now: datetime, owner: Mapping[str, Any] | None) -> bool:
    """Whether a run goes on: its process is there; on another machine, it has been heard of or holds the lock."""
    if run.outcome or not run.host:
        return False
    if run.host == socket.gethostname() and os.name == "posix":
        return _is_alive(run.process, run.began)
    if owner and (owner.get("host"), owner.get("process")) == (run.host, run.process):
        return True
    return _silence(run, records, now) < PATIENCE_S


def _newcomer(owner: Mapping[str, Any], now: datetime) -> RunHistory:
    """A run that has the lock, and no log yet."""
    since = datetime.fromisoformat(owner["since"]) if "since" in owner else now
    return RunHistory("", since, since, str(owner.get("host", "")), int(owner.get("process", 0)))


def _is_alive(process: int, since: int | None = None) -> bool:
    """Whether a process of this machine is there, as far as the system says, and is no later one with its number."""
    if os.name != "posix":  # to ask is to interrupt it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of somebody else
        pass
    return since is None or began(process) in (since, None)


def _silence(run: RunHistory, records: Path, now: datetime) -> float:
    """Seconds since a run last wrote or touched its log; 0 where its clock goes ahead of ours."""
    last = run.last.timestamp()
    with suppress(OSError):
        last = max(last, (records / FOLDER / run.file).stat().st_mtime)
    return max(0.0, now.timestamp() - last)


def _tasks(
    marks: Iterable[Mark], history: History, at_work: Sequence[RunHistory], now: datetime
) -> tuple[list[Task], list[Task]]:
    """What is being done, in workers and in leading processes; and what was, when its run ended."""
    running: list[Task] = []
    broken_off: list[Task] = []
    here = socket.gethostname()
    first = min((run.since for run in at_work), default=None)
    for mark in marks:
        seconds = max(0.0, (now - mark.since).total_seconds())
        task = Task(mark.step, mark.name, mark.host, mark.process, round(seconds, 1))
        is_of_an_earlier = first is None or (first - mark.since).total_seconds() > SKEW_S
        is_gone = mark.host == here and not _is_alive(mark.process)
        (broken_off if is_of_an_earlier or is_gone else running).append(task)
    for run in at_work:
        for (step, name), since in run.alone.items():
            seconds = max(0.0, (now - since).total_seconds())
            running.append(Task(step, name, run.host, run.process, round(seconds, 1)))
    known = {(task.step, task.name) for task in (*running, *broken_off)}
    broken_off += [
        Task(step, name, one.host, one.process, one.seconds)
        for (step, name), one in history.broken_off.items()
        if (step, name) not in known
    ]
    return running, broken_off


def _run_state(run: RunHistory, is_at_work: bool, records: Path, now: datetime) -> RunState:
    silent = _silence(run, records, now)
    until = now if is_at_work else run.last if run.outcome else now - timedelta(seconds=silent)
    return RunState(
        command=run.command,
        host=run.host,
        process=run.process,
        since=run.since,
        state="at work" if is_at_work else run.outcome or ("interrupted" if run.stopping else "killed"),
        seconds=round(max(0.0, (until - run.since).total_seconds()), 1),
        silent_s=round(silent, 1),
        reason=run.reason,
        dashboard=run.dashboard,
    )


def _steps(
    history: History, at_work: Sequence[RunHistory], running: Sequence[Task], now: datetime
) -> Iterable[StepState]:
    for name, step in sorted(history.steps.items(), key=lambda item: place_of(item[0])):
        yield _step_state(name, step, at_work, [task for task in running if task.step == name], now)


def _step_state(
    name: str, step: StepHistory, at_work: Sequence[RunHistory], running: Sequence[Task], now: datetime
) -> StepState:
    inside = [run.steps[name] for run in at_work if name in run.steps and not run.steps[name].closed]
    done = step.base + len(step.done)
    total = max(step.total, done + len(step.failed))
    durations = step.durations or step.earlier
    queued = max(0, sum(one.pending - one.ended for one in inside) - len(running))
    left = time_left(durations, [task.seconds for task in running], queued) if inside else None
    since = min((one.begun for one in inside), default=now)
    return StepState(
        step=name,
        total=total,
        done=done,
        running=len(running),
        waiting=max(0, total - done - len(step.failed) - len(running)),
        failed=len(step.failed),
        at_work=bool(inside),
        median_s=statistics.median(durations) if durations else None,
        seconds=round(step.took_s + max(0.0, (now - since).total_seconds()), 1),
        left_s=None if left is None else round(left, 1),
    )
