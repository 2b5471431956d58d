"""Many tasks, each tried again where that may help; one failure stops no other."""

import heapq
import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from stratacam.errors import InputError
from stratacam.study.execution.attempt import (
    Attempt,
    Conduct,
    Failure,
    Usage,
    attempt,
    failure_of,
    lost_failure,
)

Given = TypeVar("Given")
Result = TypeVar("Result")

WAITS_S = (2.0, 60.0)
"""Seconds before the second and every later try of a task."""

SPARED = 100
"""Times that a task may lose its worker before it was begun, which is laid to others."""


@dataclass(frozen=True)
class Place:
    """Where the tasks of a step run.

    Attributes:
        executor: does them.
        at_once: tasks that it is given at once; the others wait here.
        threads: that each task takes; None: as its worker has them.
        apart: whether a task has a process to itself, which may end where the task takes too long.
        lasting: whether its workers outlive the run.
        is_there: whether it can still be given tasks.
        name: for messages.
    """

    executor: Executor
    at_once: int = 256
    threads: int | None = None
    apart: bool = False
    lasting: bool = False
    is_there: Callable[[], bool] = lambda: True
    name: str = "the executor"


@dataclass(frozen=True)
class Ended(Generic[Result]):
    """A task that has ended.

    Attributes:
        name: of the task.
        outcome: its result, or why there is none.
        usage: what the last try took; None where its worker was lost.
        tries: how many there were.
    """

    name: str
    outcome: Result | Failure
    usage: Usage | None = None
    tries: int = 1


def run_each(
    place: Place,
    function: Callable[[Given], Result],
    tasks: Mapping[str, Given],
    *,
    conduct: Conduct = Conduct(),  # noqa: B008 - frozen
    retries: int = 0,
) -> Iterator[Ended[Result]]:
    """Run `function` with every task; yield each as it ends. One failure stops no other.

    A task whose worker was lost, that took too long, or that failed for a cause that may pass, is tried again after
    `WAITS_S`, while the others go on.

    Args:
        place: where they run.
        function: importable by name, as are the types of the tasks.
        tasks: by name.
        conduct: how each is done.
        retries: further tries of a task.

    Raises:
        InputError: the place is no longer there.
    """
    conduct = replace(
        conduct,
        threads=place.threads,
        limit_s=conduct.limit_s if place.apart else None,
        lasting=place.lasting,
    )
    _make_marks(conduct)
    ready, later = deque(tasks), list[tuple[float, str]]()
    tries, spared = Counter[str](), Counter[str]()
    running: dict[str, Future[Attempt[Result]]] = {}
    come: SimpleQueue[str] = SimpleQueue()
    try:
        while ready or later or running:
            while later and later[0][0] <= time.monotonic():
                ready.append(heapq.heappop(later)[1])
            while ready and len(running) < place.at_once:
                name = ready.popleft()
                tries[name] += 1
                running[name] = _submit(place, function, name, tasks[name], conduct)
                running[name].add_done_callback(lambda _, name=name: come.put(name))  # type: ignore[misc]
            try:
                name = come.get(timeout=max(0.0, later[0][0] - time.monotonic()) if later else None)
            except Empty:
                continue
            ended = _ended(name, running.pop(name), conduct, tries[name])
            if isinstance(ended.outcome, Failure) and ended.outcome.passing:
                if not place.is_there():
                    raise _gone(place)
                if not ended.outcome.begun and spared[name] < SPARED:
                    spared[name] += 1
                    tries[name] -= 1
                    ready.append(name)
                    continue
                if tries[name] <= retries:
                    wait = WAITS_S[min(tries[name], len(WAITS_S)) - 1]
                    heapq.heappush(later, (time.monotonic() + wait, name))
                    continue
            yield ended
    finally:
        for future in running.values():
            future.cancel()


def _make_marks(conduct: Conduct) -> None:
    if conduct.marks is not None:
        conduct.marks.mkdir(parents=True, exist_ok=True)


def _submit(
    place: Place, function: Callable[[Given], Result], name: str, given: Given, conduct: Conduct
) -> Future[Attempt[Result]]:
    try:
        return place.executor.submit(attempt, function, name, given, conduct)
    except (RuntimeError, OSError) as fault:
        if place.is_there():
            raise
        raise _gone(place) from fault


def _gone(place: Place) -> InputError:
    return InputError(
        f"{place.name}: no longer there in the middle of the work; what is finished is kept: start it again, and run "
        "the same command."
    )


def _ended(name: str, future: Future[Attempt[Result]], conduct: Conduct, tries: int) -> Ended[Result]:
    """What came of the last try."""
    usage = None
    try:
        found = future.result()
    except (pickle.PicklingError, AttributeError, TypeError) as fault:  # what cannot be sent, or read there
        outcome: Result | Failure = failure_of(fault)
    except (Exception, CancelledError) as fault:  # noqa: BLE001 - the task itself raises nothing: its worker is lost
        outcome = lost_failure(conduct, name, str(fault) or type(fault).__name__)
    else:
        outcome, usage = found.outcome, found.usage
    if isinstance(outcome, Failure) and outcome.passing and tries > 1:
        outcome = replace(outcome, reason=f"{outcome.reason.rstrip('.')} (tried {tries} times).")
    return Ended(name, outcome, usage, tries)
