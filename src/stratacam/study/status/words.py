"""The status of a study for readers."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stratacam.study.durations import duration
from stratacam.study.status.order import place_of, words_of
from stratacam.study.status.state import Reason, RunState, StepState, StudyState, Task

MAXIMUM_NAMED = 5
"""Tasks, runs or reasons that are listed; of the others there is a number."""

SILENT_S = 180.0
"""Seconds without a word after which that is said."""


def status_of(state: StudyState) -> RenderableType:
    """Everything about a study, below one another."""
    parts: list[RenderableType] = [Text(f"{state.study}: {state.state}")]
    parts += [Text(line) for line in _first([_run_line(run) for run in state.runs])]
    parts += [Text(f"Dask's dashboard: {run.dashboard}") for run in state.runs if run.dashboard]
    if state.steps:
        parts += [_table(state.steps)]
    parts += _listed("At work", _task_lines(state.running))
    parts += _listed("Being done when their run ended", _task_lines(state.broken_off))
    parts += _listed(f"Left out, {len(state.left_out)}", map(_reason_line, state.left_out))
    if state.next_steps:
        parts.append(Text(f"Then, where the study needs them: {', '.join(state.next_steps)}."))
    if advice := _advice(state):
        parts.append(Text(advice))
    return Group(*parts)


def _run_line(run: RunState) -> str:
    name = run.command or "a run"
    if run.process:
        name += f" (process {run.process} on {run.host})"
    since = run.since.astimezone().strftime("%Y-%m-%d %H:%M")
    if run.state == "at work":
        silent = f", silent for {duration(run.silent_s)}" if run.silent_s > SILENT_S else ""
        return f"{name}: at work for {duration(run.seconds)}, since {since}{silent}"
    if run.state == "killed":
        return f"{name}: killed, last heard of after {duration(run.seconds)}, begun {since}"
    reason = f": {run.reason}" if run.reason and run.state == "failed" else ""
    return f"{name}: {run.state} after {duration(run.seconds)}, begun {since}{reason}"


def _table(steps: Sequence[StepState]) -> Table:
    """A row for each step; columns that are empty throughout are left away."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("step", overflow="fold")
    rows = [_row(step) for step in steps]
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for step, row in zip(steps, rows, strict=True):
        style = "bold" if step.at_work else "red" if step.failed else None
        table.add_row(step.step, *(row[name] for name in names), style=style)
    return table


def _row(step: StepState) -> dict[str, str]:
    left = "" if step.left_s is None else f"about {duration(step.left_s)}"
    return {
        "done": f"{step.done} of {step.total}" if step.total else "",
        "running": str(step.running or ""),
        "waiting": str(step.waiting or ""),
        "failed": str(step.failed or ""),
        "one takes": "" if step.median_s is None else duration(step.median_s),
        "time": duration(step.seconds),
        "left": left or ("cannot say" if step.at_work else ""),
    }


def _task_lines(tasks: Sequence[Task]) -> Iterator[str]:
    for task in sorted(tasks, key=lambda task: -task.seconds):
        yield f"{task.step}: {task.name} for {duration(task.seconds)} (process {task.process} on {task.host})"


def _reason_line(reason: Reason) -> str:
    return f"{reason.name}, at {reason.step}: {' '.join(reason.reason.split())}"


def _listed(title: str, lines: Iterable[str]) -> list[RenderableType]:
    found = list(lines)
    if not found:
        return []
    return [Text(f"{title}:"), *(Padding(Text(one), (0, 0, 0, 2), expand=False) for one in _first(found))]


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - MAXIMUM_NAMED} more"] if len(lines) > MAXIMUM_NAMED else []
    return [*lines[:MAXIMUM_NAMED], *more]


def _whole(state: StudyState) -> str:
    """The command that takes together what parts did: with the study's file, where one of them names it."""
    words = words_of(state.runs[0].command) if state.runs else []
    file = shlex.quote(next((word for word in words if word.endswith(".toml")), "STUDY.toml"))
    is_evidence = any(place_of(step.step) >= place_of("truth") for step in state.steps if step.done)
    return f"{'evidence' if is_evidence else 'run'} {file}"


def _advice(state: StudyState) -> str:
    """What to do, where no run is at work and the last did not come to its end."""
    return {
        "killed": "A run was killed, or its machine is gone. What is finished is kept: run the same command again.",
        "interrupted": "What is finished is kept: run the same command again to go on.",
        "failed": "What is finished is kept: mend the cause, and run the same command again.",
        "never run": "Not begun yet: begin with `stratacam run`; `stratacam demo` makes its scans first.",
        "parts ended": f"Then: stratacam {_whole(state)}",
    }.get(state.state, "")
