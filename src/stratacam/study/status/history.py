"""What the logs of a study say: its runs, and of every step what is done, failed and left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class StepOfRun:
    """A step in one run.

    Attributes:
        pending: tasks that the run has to do.
        ended: of these.
        begun: by the clock of the run.
        closed: whether the run has left it.
    """

    pending: int
    begun: datetime
    ended: int = 0
    closed: bool = False


@dataclass(eq=False)
class RunHistory:
    """One run.

    Attributes:
        file: name of its log.
        host: where the process that leads it is.
        process: its number.
        began: of the process, see `stratacam.study.log.began`.
        command: that started it.
        since: by its clock.
        last: when it last wrote, by its clock.
        steps: by name.
        alone: tasks that the leading process is doing, by step and name, with their beginning.
        outcome: "done", "failed" or "interrupted"; "" while it has not ended.
        reason: why it failed.
        stopping: whether it was interrupted, and was ending its workers when it last wrote.
        dashboard: address of Dask's page.
    """

    file: str
    since: datetime
    last: datetime
    host: str = ""
    process: int = 0
    began: int | None = None
    command: str = ""
    steps: dict[str, StepOfRun] = field(default_factory=dict)
    alone: dict[tuple[str, str], datetime] = field(default_factory=dict)
    outcome: str = ""
    reason: str = ""
    stopping: bool = False
    dashboard: str = ""


@dataclass(frozen=True)
class BrokenOff:
    """A task that was being done when its run was interrupted: machine, process, and for how many seconds."""

    host: str
    process: int
    seconds: float


@dataclass
class StepHistory:
    """A step of the study, over all runs.

    Attributes:
        base: tasks that were done when a run last came to it.
        done: names of those done since.
        failed: why, by name.
        total: tasks that it has, as far as is known.
        durations: seconds of tasks done since a run of the whole study last came to it.
        earlier: seconds of tasks done before.
        took_s: seconds that runs spent in it since then.
        run: that whole run, by the file of its log.
    """

    base: int = 0
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    total: int = 0
    durations: list[float] = field(default_factory=list)
    earlier: list[float] = field(default_factory=list)
    took_s: float = 0.0
    run: str = ""


class History:
    """All runs and steps; grows line by line.

    Attributes:
        runs: by file, in order.
        steps: by name, in the order in which they first came.
        left_out: reasons, by step and name, of the last run of the whole study and of parts since.
        broken_off: tasks that were, by step and name, in the same.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunHistory] = {}
        self.steps: dict[str, StepHistory] = {}
        self.left_out: dict[tuple[str, str], str] = {}
        self.broken_off: dict[tuple[str, str], BrokenOff] = {}

    def add(self, file: str, event: Mapping[str, Any]) -> None:
        """Take in a line of a log; lines of another kind, as of a later version, are passed over."""
        try:
            time = datetime.fromisoformat(event["time"])
            run = self.runs.setdefault(file, RunHistory(file, time, time))
            run.last = max(run.last, time)
            take = getattr(self, f"_{str(event['event']).replace(' ', '_')}", None)
            if take:
                take(run, time, event)
        except (KeyError, TypeError, ValueError):
            return

    def _run(self, run: RunHistory, time: datetime, event: Mapping[str, Any]) -> None:
        run.since, run.host, run.process = time, str(event["host"]), int(event["process"])
        run.began, run.command = event.get("began"), str(event.get("command", ""))
        if "--step" not in run.command:
            self.left_out.clear()
            self.broken_off.clear()

    def _cluster(self, run: RunHistory, _: datetime, event: Mapping[str, Any]) -> None:
        run.dashboard = str(event["dashboard"])

    def _unchanged(self, run: RunHistory, _: datetime, event: Mapping[str, Any]) -> None:
        step = self.steps.setdefault(str(event["step"]), StepHistory())
        if "name" in event:
            self._come_to(step, run)
            step.done.add(str(event["name"]))
            step.total = len(step.done)
            return
        if not self._add_part(step, event):
            step.base, step.done, step.failed = int(event["done"]), set(), {}
            step.total = max(step.base, int(event.get("total", 0)))

    def _step(self, run: RunHistory, time: datetime, event: Mapping[str, Any]) -> None:
        name = str(event["step"])
        step = self.steps.setdefault(name, StepHistory())
        if "name" in event:  # one task in the process that leads the run
            self._come_to(step, run)
            run.alone[name, str(event["name"])] = time
            run.steps[name] = StepOfRun(1, run.steps[name].begun if name in run.steps else time)
            step.total = len(step.done | {str(event["name"])})
            return
        if not event.get("part"):
            self._come_to(step, run)
        if not self._add_part(step, event):
            step.base, step.done = int(event["done"]), set()
            step.total = int(event.get("total", event["done"] + event["pending"]))
        run.steps[name] = StepOfRun(int(event["pending"]), time)

    @staticmethod
    def _add_part(step: StepHistory, event: Mapping[str, Any]) -> bool:
        """Take in how far a part is in a step of which it may look at its own people alone, if it is one."""
        if not event.get("part"):
            return False
        step.base = max(step.base, int(event["done"]) - len(step.done))
        step.total = max(step.total, int(event.get("total", 0)))
        return True

    @staticmethod
    def _come_to(step: StepHistory, run: RunHistory) -> None:
        """Forget what an earlier run found in a step, but how long its tasks took."""
        if step.run != run.file:
            step.run, step.base, step.done, step.failed, step.took_s = run.file, 0, set(), {}, 0.0
            step.earlier, step.durations = step.durations or step.earlier, []

    def _task(self, run: RunHistory, _: datetime, event: Mapping[str, Any]) -> None:
        name, step = str(event["name"]), self.steps.setdefault(str(event["step"]), StepHistory())
        run.alone.pop((str(event["step"]), name), None)
        self.broken_off.pop((str(event["step"]), name), None)
        if str(event["step"]) in run.steps:
            run.steps[str(event["step"])].ended += 1
        if event["outcome"] == "done":
            step.done.add(name)
            step.failed.pop(name, None)
            self.left_out.pop((str(event["step"]), name), None)
            if "seconds" in event:
                step.durations.append(float(event["seconds"]))
        else:
            step.failed[name] = str(event.get("reason", ""))

    def _left_out(self, _run: RunHistory, _: datetime, event: Mapping[str, Any]) -> None:
        self.left_out[str(event["step"]), str(event["name"])] = str(event["reason"])

    def _stopping(self, run: RunHistory, time: datetime, event: Mapping[str, Any]) -> None:
        run.stopping = True
        if "name" in event:
            seconds = (time - datetime.fromisoformat(event["since"])).total_seconds()
            task = BrokenOff(str(event["host"]), int(event["process"]), round(max(0.0, seconds), 1))
            self.broken_off[str(event["step"]), str(event["name"])] = task

    def _step_done(self, run: RunHistory, _: datetime, event: Mapping[str, Any]) -> None:
        name = str(event["step"])
        self.steps.setdefault(name, StepHistory()).took_s += float(event["seconds"])
        if name in run.steps:
            run.steps[name].closed = True
        run.alone = {key: since for key, since in run.alone.items() if key[0] != name}

    def _end(self, run: RunHistory, _: datetime, event: Mapping[str, Any]) -> None:
        run.outcome = str(event.get("outcome", "done"))
        run.reason = str(event.get("reason", ""))
