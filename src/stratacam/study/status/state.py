"""How far a study is, as plain values for readers and programs."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Task:
    """A task that is being done.

    Attributes:
        step: that it is of.
        name: of the task.
        host: where.
        process: number of the process there.
        seconds: for how long; not negative, whatever the clocks of the machines say.
    """

    step: str
    name: str
    host: str
    process: int
    seconds: float


@dataclass(frozen=True)
class RunState:
    """A run.

    Attributes:
        command: that started it.
        host: where the process that leads it is.
        process: its number.
        since: when it began.
        state: "at work", "done", "failed", "interrupted" (Ctrl-C or SIGTERM), or "killed" (it did not get to say so).
        seconds: for how long it has been at work, or was as far as is known.
        silent_s: seconds since its last word.
        reason: why it failed.
        dashboard: address of Dask's page of its cluster; "" without one.
    """

    command: str
    host: str
    process: int
    since: datetime
    state: str
    seconds: float
    silent_s: float
    reason: str = ""
    dashboard: str = ""


@dataclass(frozen=True)
class StepState:
    """A step.

    Attributes:
        step: its name.
        total: tasks.
        done: of these.
        running: being done.
        waiting: not begun; of a study at which no run is at work, not done.
        failed: tried in vain.
        at_work: whether a run is in it.
        median_s: of the tasks that are done; None before there is one.
        seconds: that runs spent in it, the present one included; those of parts are added.
        left_s: estimated seconds until it ends; None where nothing can be said.
    """

    step: str
    total: int
    done: int
    running: int
    waiting: int
    failed: int
    at_work: bool
    median_s: float | None
    seconds: float
    left_s: float | None


@dataclass(frozen=True)
class Reason:
    """Something that was left out, and why."""

    step: str
    name: str
    reason: str


@dataclass(frozen=True)
class StudyState:
    """How far a study is.

    Attributes:
        study: its folder.
        state: "at work", "never run", "parts ended" (and the whole is still to be run), or how its last run ended:
            "done", "failed", "interrupted" or "killed".
        runs: that are at work; the last one if none is.
        steps: in order.
        running: tasks that are being done.
        broken_off: tasks that were being done when their run ended.
        left_out: with reasons.
        next_steps: that come after those the runs are in, where the study needs them.
        lock_held: whether a run is seen to hold the study's lock.
    """

    study: str
    state: str
    runs: tuple[RunState, ...] = ()
    steps: tuple[StepState, ...] = ()
    running: tuple[Task, ...] = ()
    broken_off: tuple[Task, ...] = ()
    left_out: tuple[Reason, ...] = ()
    next_steps: tuple[str, ...] = ()
    lock_held: bool = False

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601."""
        content = asdict(self)
        for run in content["runs"]:
            run["since"] = run["since"].isoformat()
        return content
