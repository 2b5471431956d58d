"""Table of what each step of the study took: time, memory, and what had to be tried again."""

from collections import Counter

from stratacam.report.content import StudyContent
from stratacam.report.tables.table import Table
from stratacam.study.durations import duration
from stratacam.study.resources import StepResources, summarise

NOTE = (
    "Of the last successful try of every task, wherever it ran. Time is by the clock, and longer where tasks share a "
    "machine; CPU time is summed over the threads of a task, and over all tasks of a step. Memory is the most "
    "that the process of a task held, libraries of about 0.4 GB included: times the number of workers, what a machine "
    "needs. Tasks that were tried again had lost their worker, taken too long, or met a disk or folder that was away. "
    "Failed ones are in the table of what was left out. Every task: `resources.tsv`."
)
"""What the columns mean."""


def resources_table(study: StudyContent) -> Table:
    """A row for each step: tasks, time, memory, and who took most."""
    failed = Counter(row["step"] for row in study.left_out)
    rows = tuple(_row(step, failed[step.step]) for step in summarise(study.resources))
    columns = (
        "step", "tasks", "median time", "longest", "CPU time of all", "most memory (GB)", "tried again", "left out",
    )  # fmt: skip
    return Table("Time and memory of the steps", columns, rows, note=NOTE)


def _row(step: StepResources, failed: int) -> tuple[str, ...]:
    several = step.count > 1
    (seconds, slowest), (memory, largest) = step.longest, step.largest
    return (
        step.step,
        str(step.count),
        duration(step.median_s),
        f"{duration(seconds)} ({slowest})" if several else duration(seconds),
        duration(step.cpu_s),
        f"{memory / 1000:.2f} ({largest})" if several else f"{memory / 1000:.2f}",
        str(step.again),
        str(failed),
    )
