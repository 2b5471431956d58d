"""Who is at work on a study: one run, or several that each do some people's part of one step."""

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from stratacam.errors import InputError
from stratacam.files import read_json

try:
    import fcntl
except ImportError:  # Windows, where runs do not share a study
    from filelock import FileLock, Timeout

    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
OWNER = "owner.json"

LOOKS, LOOK_S = 3, 0.05
"""How often a lock is looked at before it counts as another's, and seconds between two looks."""


@contextmanager
def at_work(records: Path, *, shared: bool = False) -> Iterator[bool]:
    """Within this, no other run is at work on a study; or, shared, only such as share it.

    Yields whether a run that was there before left in the middle, whose workers may take a moment to end.

    The system takes the lock away from a process that has ended, however it ended: no lock is ever stale, and the name
    of an owner that was left behind counts for nothing.

    Args:
        records: of the study.
        shared: whether others may share it.

    Raises:
        InputError: another run is at work there; says which.
    """
    records.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        with _alone(records):
            yield False
        return
    with (records / LOCK).open("a") as file:
        _take(file, records, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        owner = records / OWNER
        left = owner.is_file()
        if not shared:
            owner.write_text(json.dumps(_me()) + "\n", encoding="utf-8")
        try:
            yield left
        finally:
            if not shared:
                with suppress(OSError):
                    owner.unlink()


def owner_of(records: Path) -> dict[str, Any] | None:
    """The run that is at work on a study: host, process and since when; nothing of parts; None if none is seen.

    Whoever looks holds the lock for less than a millisecond, and no run is refused for that.
    """
    lock = records / LOCK
    if fcntl is None or not lock.is_file():
        return None
    kind, mode = (fcntl.LOCK_EX, "a") if os.access(lock, os.W_OK) else (fcntl.LOCK_SH, "r")
    with lock.open(mode) as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return {}  # others share it
            return read_json(records / OWNER)
        except OSError:  # a file system without locks
            return None
    return None


def _take(file: IO[str], records: Path, kind: int) -> None:
    """Take the lock; where somebody has it, look again, since it may be one who only looks."""
    try:
        for _ in range(LOOKS):
            with suppress(BlockingIOError):
                fcntl.flock(file, kind | fcntl.LOCK_NB)
                return
            time.sleep(LOOK_S)
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise InputError(
                f"{records}: its file system keeps no locks ({fault.strerror}); expected one that does, so that two "
                "runs do not write over each other: put the study on another, or mount this one with locks."
            ) from fault
        if not isinstance(fault, BlockingIOError):
            raise InputError(
                f"{records / LOCK}: cannot be locked ({fault.strerror}); expected a file system that works: mend it, "
                "and run the same command again."
            ) from fault
        owner = read_json(records / OWNER)
        who = (
            f"process {owner['process']} on {owner['host']}, since {owner['since']}"
            if owner
            else "one or more that do a step for some people"
        )
        raise InputError(
            f"{records.parent}: another run is at work here ({who}); wait until it ends, or end it."
        ) from fault


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def _alone(records: Path) -> Iterator[None]:
    """The lock of a system without shared ones."""
    try:
        with FileLock(records / LOCK, timeout=0):
            yield
    except Timeout as fault:
        raise InputError(
            f"{records.parent}: another run is at work here; wait until it ends, or end it."
        ) from fault
