"""Marks of tasks that are being done, which whoever does them leaves: a file each, by step and name."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stratacam.files import read_json
from stratacam.interruption import Interrupted
from stratacam.study.log import RunLog

MARKS = "running"
"""Folder of the marks below a study's records."""


@dataclass(frozen=True)
class Mark:
    """A task that is being done.

    Attributes:
        step: that it is of.
        name: of the task.
        host: machine.
        process: number of the process there.
        since: by the clock of that machine.
    """

    step: str
    name: str
    host: str
    process: int
    since: datetime


def names_at_work(folder: Path, names: Collection[str]) -> list[str]:
    """Which of the tasks of one step are being done; others that are, another process does."""
    return sorted(path.stem for path in folder.glob("*.json") if path.stem in names)


@contextmanager
def noting_what_is_stopped(log: RunLog, folder: Path, names: Collection[str]) -> Iterator[None]:
    """Log which of the tasks of one step are being done when the work is interrupted, before their workers end."""
    try:
        yield
    except Interrupted:
        log.write("stopping", step=folder.name)
        for mark in marks_of(folder):
            if mark.name in names:
                what = {"host": mark.host, "process": mark.process, "since": mark.since.isoformat()}
                log.write("stopping", step=folder.name, name=mark.name, **what)
        raise


def read_marks(records: Path) -> Iterator[Mark]:
    """Marks of all steps, see `marks_of`."""
    for folder in sorted((records / MARKS).glob("*")):
        yield from marks_of(folder)


def marks_of(folder: Path) -> Iterator[Mark]:
    """Marks of one step; one that is removed or half written meanwhile is passed over."""
    for path in sorted(folder.glob("*.json")):
        with suppress(KeyError, TypeError, ValueError, OSError):
            found = read_json(path)
            since = datetime.fromisoformat(found["since"])
            yield Mark(path.parent.name, path.stem, str(found["host"]), int(found["process"]), since)
