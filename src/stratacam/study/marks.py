"""Marks of tasks that are being done, which whoever does them leaves: a file each, by step and name."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stratacam.files import read_json

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


def names_at_work(folder: Path) -> list[str]:
    """Names of the tasks of one step that are being done."""
    return sorted(path.stem for path in folder.glob("*.json"))


def read_marks(records: Path) -> Iterator[Mark]:
    """Marks of all steps; one that is removed or half written meanwhile is passed over."""
    for path in sorted((records / MARKS).glob("*/*.json")):
        with suppress(KeyError, TypeError, ValueError, OSError):
            found = read_json(path)
            since = datetime.fromisoformat(found["since"])
            yield Mark(path.parent.name, path.stem, str(found["host"]), int(found["process"]), since)
