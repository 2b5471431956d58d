"""What every task of a study took: time, and the most memory, told from the logs of its runs."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.files import write_text
from stratacam.study.log import read_logs

COLUMNS = ("step", "name", "tries", "seconds", "cpu_seconds", "memory_mb", "host", "finished")


def write_resources(records: Path, path: Path) -> None:
    """Write, for every task that was done, what its last successful try took; steps as they first came.

    Of a try: wall and CPU seconds, the most memory of its process in MB (whatever else is in that process, such as
    libraries, included), the machine, and when it had ended (UTC). Tries are those of its last run.

    Args:
        records: folder of the study's records, with the logs.
        path: of the table.
    """
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    for event in read_logs(records):
        if event.get("event") == "task" and event.get("outcome") == "done" and "seconds" in event:
            usage = (event.get(column, "") for column in COLUMNS[2:-1])
            found.setdefault(str(event.get("step")), {})[str(event.get("name"))] = (
                *usage,
                str(event.get("time", ""))[:19] + "Z",
            )
    rows = [(step, name, *tasks[name]) for step, tasks in found.items() for name in sorted(tasks)]
    text = "".join("\t".join(map(str, row)) + "\n" for row in (COLUMNS, *rows))
    if rows and not (path.is_file() and path.read_text(encoding="utf-8") == text):
        write_text(path, text)


@dataclass(frozen=True)
class StepResources:
    """What the tasks of a step took.

    Attributes:
        step: its name.
        count: tasks.
        median_s: wall seconds.
        longest: wall seconds and name of the task that took longest.
        cpu_s: CPU seconds of all.
        largest: memory in MB and name of the task that took most.
        again: tasks that were tried more than once.
    """

    step: str
    count: int
    median_s: float
    longest: tuple[float, str]
    cpu_s: float
    largest: tuple[float, str]
    again: int


def summarise(rows: Iterable[Mapping[str, str]]) -> list[StepResources]:
    """Of the rows of the table of resources, a summary for each step in their order."""
    steps: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(row)
    return [_summary(step, tasks) for step, tasks in steps.items()]


def _summary(step: str, tasks: Sequence[Mapping[str, str]]) -> StepResources:
    def largest(column: str) -> tuple[float, str]:
        return max((float(task[column]), task["name"]) for task in tasks)

    return StepResources(
        step=step,
        count=len(tasks),
        median_s=statistics.median(float(task["seconds"]) for task in tasks),
        longest=largest("seconds"),
        cpu_s=sum(float(task["cpu_seconds"]) for task in tasks),
        largest=largest("memory_mb"),
        again=sum(int(task["tries"]) > 1 for task in tasks),
    )
