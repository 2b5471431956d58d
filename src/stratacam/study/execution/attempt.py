"""One try of a task, wherever it runs: what came of it, and what it took, as plain values."""

import errno
import faulthandler
import json
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from stratacam.errors import InputError
from stratacam.fence import while_there
from stratacam.study.execution.allocation import keeping_freed_memory
from stratacam.study.execution.loaded import loaded_code_has_changed
from stratacam.study.execution.threads import use_threads

STALE = 75
"""Exit code of a worker whose code has changed since it was loaded: EX_TEMPFAIL."""

Given = TypeVar("Given")
Result = TypeVar("Result")

PASSING = {
    getattr(errno, name)
    for name in (
        "EAGAIN", "EBUSY", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "EINTR", "EIO",
        "ENETDOWN", "ENETUNREACH", "ENODEV", "ENOENT", "ENOLINK", "ENOMEM", "ENOTCONN", "ENOTEMPTY", "EREMOTEIO",
        "ESTALE", "ETIMEDOUT",
    )
    if hasattr(errno, name)
}  # fmt: skip
"""What the system says of a folder of the network that is away for a while, or of a disk that has a bad moment."""


@dataclass(frozen=True)
class Failure:
    """Why a task gave no result.

    Attributes:
        reason: a sentence.
        trace: where the program was, if it was no user's mistake.
        passing: whether another try may succeed.
        begun: whether the task itself was being done, and not waiting behind another.
    """

    reason: str
    trace: str | None = None
    passing: bool = False
    begun: bool = True


@dataclass(frozen=True)
class Usage:
    """What one try of a task took: seconds, CPU seconds, the most memory of its process in MB, and where."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    host: str
    process: int


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """What came of a try."""

    outcome: Result | Failure
    usage: Usage


@dataclass(frozen=True)
class Conduct:
    """How the tasks of a step are done.

    Attributes:
        threads: of every library; None: as it is.
        limit_s: seconds after which the process of a task ends; None: never.
        marks: folder of a mark for every task that is being done, which is there while tasks are; None: none are made.
        fence: file without which nothing takes its place any more, as its run has ended; None: there is none.
        lasting: whether workers outlive a run: one that has loaded code which has changed since then ends, so that
            another takes its place.
    """

    threads: int | None = None
    limit_s: float | None = None
    marks: Path | None = None
    fence: Path | None = None
    lasting: bool = False


def attempt(
    function: Callable[[Given], Result], name: str, given: Given, conduct: Conduct
) -> Attempt[Result]:
    """Do a task; what it raises is its outcome. A process that takes too long ends, leaving a trace beside its mark."""
    if conduct.lasting and loaded_code_has_changed():
        os._exit(STALE)  # before the task has begun, so that it is no try of it
    if conduct.threads:
        use_threads(conduct.threads)
    used = metered()
    with _marked(name, conduct), while_there(conduct.fence), keeping_freed_memory():
        outcome: Result | Failure
        try:
            _check_there(conduct)
            outcome = function(given)
            _check_there(conduct)
        except Exception as fault:  # noqa: BLE001 - whoever asked for the task says it
            outcome = failure_of(fault)
    if conduct.lasting:
        loaded_code_has_changed()  # what this task has loaded is seen as it is now
    return Attempt(outcome, used())


def metered() -> Callable[[], Usage]:
    """Begin to measure what this process takes; what is returned gives it."""
    start, before = time.perf_counter(), time.process_time()
    _forget_peak()

    def used() -> Usage:
        return Usage(
            round(time.perf_counter() - start, 3),
            round(time.process_time() - before, 3),
            round(_peak_mb(), 1),
            socket.gethostname(),
            os.getpid(),
        )

    return used


def _check_there(conduct: Conduct) -> None:
    """Raise InputError where the folder of a study is away: what is written to its place would be in another."""
    if conduct.marks is None:
        return
    try:
        conduct.marks.stat()
    except OSError as fault:
        raise InputError(
            f"{conduct.marks}: the study's folder is away ({fault.strerror}); mount it, and run again."
        ) from fault


def failure_of(fault: BaseException) -> Failure:
    """Describe what was raised, and whether it may pass."""
    passing = isinstance(fault, MemoryError) or any(_is_passing(one) for one in _causes(fault))
    if isinstance(fault, InputError):
        return Failure(str(fault), passing=passing)
    words = f"{type(fault).__name__}: {fault}"
    return Failure(words, "".join(traceback.format_exception(fault)), passing)


def trace_file(marks: Path, name: str) -> Path:
    """Where a task that takes too long leaves what it was doing."""
    return marks / f"{name}.trace"


def mark_file(marks: Path, name: str) -> Path:
    """The mark of a task that is being done: host, process, and since when."""
    return marks / f"{name}.json"


def lost_failure(conduct: Conduct, name: str, how: str) -> Failure:
    """Describe the loss of a worker in the middle of a task, and remove what the task left beside its mark."""
    trace, begun = "", True
    if conduct.marks:
        file = trace_file(conduct.marks, name)
        begun = mark_file(conduct.marks, name).is_file()
        with suppress(OSError):
            trace = file.read_text(encoding="utf-8", errors="replace").strip()
        for left in (file, mark_file(conduct.marks, name)):
            with suppress(OSError):
                left.unlink()
    if trace and conduct.limit_s:
        return Failure(
            f"took longer than {_duration(conduct.limit_s)} and was given up; if that is too short, set "
            "run.time_limit_h.",
            trace,
            passing=True,
        )
    return Failure(how, passing=True, begun=begun)


def _duration(seconds: float) -> str:
    """Seconds for readers."""
    return f"{seconds / 3600:g} h" if seconds >= 360 else f"{seconds:g} s"


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it was raised from."""
    while fault is not None:
        yield fault
        fault = fault.__cause__


def _is_passing(fault: BaseException) -> bool:
    """Whether the system may say otherwise soon; a file that is missing in a folder that is there stays missing."""
    if not isinstance(fault, OSError) or fault.errno not in PASSING:
        return False
    missing = fault.errno == errno.ENOENT and isinstance(fault.filename, str)
    return not (missing and Path(fault.filename).parent.is_dir())


@contextmanager
def _marked(name: str, conduct: Conduct) -> Iterator[None]:
    """A mark while a task is being done, and an end to this process where it takes too long.

    The end comes from a thread outside Python, so that no library can hold it up.
    """
    marks = conduct.marks
    if marks is None:
        yield
        return
    mark, trace = mark_file(marks, name), trace_file(marks, name)
    here = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):  # a mark that cannot be made stops no work
        mark.write_text(json.dumps(here), encoding="utf-8")
    watch = None
    if conduct.limit_s:
        with suppress(OSError):
            watch = trace.open("w", encoding="utf-8")
            faulthandler.dump_traceback_later(conduct.limit_s, exit=True, file=watch)
    try:
        yield
    finally:
        if watch:
            faulthandler.cancel_dump_traceback_later()
            watch.close()
        for left in (trace, mark):
            with suppress(OSError):
                left.unlink()


def _forget_peak() -> None:
    """Let the system count the most memory of this process from now on, where it can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mb() -> float:
    """The most memory that this process has had: since `_forget_peak` on Linux, elsewhere ever."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        if found:
            return int(found[1]) / 1024
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (2**20 if sys.platform == "darwin" else 2**10)
