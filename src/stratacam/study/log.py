"""What a run did, line by line: JSON that programs read, from which status and resources are told."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = "log"


class RunLog:
    """The log of one run, a file of its own below the study's records: one JSON object a line.

    Every line has `time` (UTC) and `event`: "run" (with `host`, `process`, `command`), "step" (`step`, `pending`,
    `done`), "task" (`step`, `name`, `outcome` "done" or "failed", `tries`, and what the last try took: `seconds`,
    `cpu_seconds`, `memory_mb`, `host`, `process`; of a failure its `reason`), "step done" (`step`, `seconds`), "left
    out" (`step`, `name`, `reason`), "end" (not of a run that had nothing to do).

    Args:
        records: folder of the study's records.
    """

    def __init__(self, records: Path) -> None:
        self.folder = records / FOLDER
        self._path: Path | None = None

    def write(self, event: str, **what: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Add a line; the first makes the file."""
        now = datetime.now(UTC)
        if self._path is None and event == "end":
            return
        if self._path is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path = self.folder / f"{now:%Y%m%dT%H%M%S.%f}Z-{socket.gethostname()}-{os.getpid()}.jsonl"
            self.write("run", host=socket.gethostname(), process=os.getpid(), command=" ".join(sys.argv[1:]))
        line = json.dumps({"time": now.isoformat(timespec="milliseconds"), "event": event, **what})
        with (
            suppress(OSError),
            self._path.open("a", encoding="utf-8") as file,
        ):  # a full disk is said by the work
            file.write(line + "\n")


def read_logs(records: Path) -> Iterator[dict[str, Any]]:
    """All lines of all runs, run after run; the last line of a run that was killed may be cut, and is passed over."""
    for path in sorted((records / FOLDER).glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
