"""What a run did, line by line: JSON that programs read, from which status and resources are told."""

import heapq
import json
import os
import shlex
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stratacam.interruption import Interrupted, before_forced_end
from stratacam.study.repeated import repeated

FOLDER = "log"

BEAT_S = 60.0
"""Seconds after which the log of a run that is at work is touched, whether there is something to tell or not."""


_OF_COMMAND: ContextVar[dict[Path, "RunLog"] | None] = ContextVar("logs of the command", default=None)


class RunLog:
    """The log of one run, a file of its own below the study's records: one JSON object a line.

    Within a command, whatever it does in a study is one run, see `run_log` and `of_command`.

    Its lines are described in docs/running.md. A run that finds nothing to do leaves no log.

    Args:
        records: folder of the study's records.
    """

    def __init__(self, records: Path) -> None:
        self.folder = records / FOLDER
        self._path: Path | None = None
        self._unchanged: list[dict[str, Any]] = []

    def write(self, event: str, **what: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Add a line; the first makes the file."""
        if self._path is None:
            if event == "end":
                return
            self._begin()
        self._add(event, what)

    def unchanged(self, **what: Any) -> None:  # noqa: ANN401
        """Add that a step had nothing to do, once something has to be done."""
        if self._path is None:
            self._unchanged.append(what)
        else:
            self._add("unchanged", what)

    def touch(self) -> None:
        """Say that the run is at work."""
        if self._path is not None:
            with suppress(OSError):
                os.utime(self._path)

    @contextmanager
    def of_run(self) -> Iterator[None]:
        """Within this, the log shows that the run is at work, and in the end, or the command's, what came of it."""
        with (
            nullcontext() if _OF_COMMAND.get() is not None else _ending([self]),
            repeated(BEAT_S, self.touch),
        ):
            yield

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        host, process = socket.gethostname(), os.getpid()
        self._path = self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{host}-{process}.jsonl"
        command = shlex.join(sys.argv[1:])
        self._add("run", {"host": host, "process": process, "began": began(process), "command": command})
        for unchanged in self._unchanged:
            self._add("unchanged", unchanged)

    def _add(self, event: str, what: dict[str, Any]) -> None:
        path = self._path
        if path is None:
            return
        line = json.dumps(
            {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **what}
        )
        with suppress(OSError), path.open("a", encoding="utf-8") as file:  # a full disk is said by the work
            file.write(line + "\n")


def run_log(records: Path) -> RunLog:
    """The log of what this process does in a study; within a command the same for all that it does there."""
    logs = _OF_COMMAND.get()
    return RunLog(records) if logs is None else logs.setdefault(records.absolute(), RunLog(records))


@contextmanager
def of_command() -> Iterator[None]:
    """Within this, whatever is done in a study is one run, which ends with this."""
    logs: dict[Path, RunLog] = {}
    token = _OF_COMMAND.set(logs)
    try:
        with _ending(logs.values()):
            yield
    finally:
        _OF_COMMAND.reset(token)


@contextmanager
def _ending(logs: Collection[RunLog]) -> Iterator[None]:
    """In the end, logs say what came of their run; an exit code is no failure of it."""
    outcome = "done"
    reason: dict[str, str] = {}

    def end_where_it_stands() -> None:
        for log in logs:
            log.write("end", outcome="interrupted", reason="in the middle of a computation")

    try:
        with before_forced_end(end_where_it_stands):
            yield
    except SystemExit:
        raise
    except BaseException as fault:
        outcome = "interrupted" if isinstance(fault, Interrupted | KeyboardInterrupt) else "failed"
        reason = {"reason": str(fault) or type(fault).__name__}
        raise
    finally:
        for log in logs:
            log.write("end", outcome=outcome, **reason)


def began(process: int) -> int | None:
    """When a process of this machine began, in ticks of its clock, by which it is known from a later one of its number.

    None where there is no such process, or the system does not say.
    """
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return int(fields.rpartition(")")[2].split()[19])
    return None


@dataclass
class LogReader:
    """Reads the logs of a study, and each time only what is new.

    Attributes:
        records: folder of the study's records.
        offsets: bytes that have been read, by file.
    """

    records: Path
    offsets: dict[str, int] = field(default_factory=dict)

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """New lines of all runs, each with the name of its file, by time; within a file in their order."""
        with suppress(FileNotFoundError), os.scandir(self.records / FOLDER) as found:
            files = sorted(one.path for one in found if one.name.endswith(".jsonl"))
            new = [lines for file in files if (lines := self._new(file))]
            yield from heapq.merge(*new, key=lambda one: str(one[1].get("time", "")))

    def _new(self, file: str) -> list[tuple[str, dict[str, Any]]]:
        """Whole lines of a file that have not been read; one that is cut or damaged is passed over."""
        name = os.path.basename(file)  # noqa: PTH119 - of many thousand files
        with open(file, "rb") as lines:  # noqa: PTH123
            lines.seek(self.offsets.get(name, 0))
            content = lines.read()
        whole = content.rfind(b"\n") + 1
        self.offsets[name] = self.offsets.get(name, 0) + whole
        found = []
        for line in content[:whole].splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    found.append((name, event))
        return found


def read_logs(records: Path) -> Iterator[dict[str, Any]]:
    """All lines of all runs, run after run, without holding them."""
    for path in sorted((records / FOLDER).glob("*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with suppress(ValueError):  # the last line of a run that was killed may be cut
                    event = json.loads(line)
                    if isinstance(event, dict):
                        yield event
