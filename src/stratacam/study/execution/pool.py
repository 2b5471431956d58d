"""Worker processes of this machine."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from stratacam.interruption import Interrupted, held_back, raised_again
from stratacam.study.execution.threads import use_threads

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

GRACE = 3.0
"""Seconds in which workers may unwind what they are doing, before they are killed."""

FREEZE = 60.0
"""Seconds after the time limit at which a process that does not even end itself is killed."""

LONGEST = 2e6
"""Seconds that the system can wait at once."""

STOPPED: set[int] = set()
"""Workers that were ended in the middle of their tasks."""


class WorkerLostError(Exception):
    """A worker ended in the middle of a task."""


class WorkerPool(Executor):
    """Worker processes, each by itself: one that is lost costs the task that it had, and is started again.

    Only this process hears Ctrl-C. Left with an exception, the pool ends its workers at once: each unwinds its task,
    or is killed after `GRACE`.

    Args:
        workers: processes, started as there is work.
        threads: of each.

    Attributes:
        limit_s: seconds after which a worker that has not come back with its task is killed; None: never.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self.size = (workers, threads)
        self.limit_s: float | None = None
        self._jobs: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._slots: list[_Slot] = []
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._ending = False

    @property
    def processes(self) -> tuple[BaseProcess, ...]:
        """The workers that have been started and not ended."""
        return tuple(slot.process for slot in self._slots if slot.process is not None)

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Hand a task to the next worker that is free."""
        future: Future[Result] = Future()
        try:
            job = pickle.dumps((fn, args, kwargs))
        except Exception as fault:  # noqa: BLE001 - whatever a task holds that cannot be sent
            future.set_exception(fault)
            return future
        with self._lock:
            if self._ending:
                raise RuntimeError("the pool has ended")
            self._open += 1
            if self._open > len(self._slots) < self.size[0]:
                self._start_slot()
        self._jobs.put((future, job))
        return future

    def _start_slot(self) -> None:
        slot = _Slot(self.size[1])
        thread = threading.Thread(target=self._serve, args=(slot,), daemon=True)
        self._slots.append(slot)
        self._threads.append(thread)
        thread.start()

    def _serve(self, slot: "_Slot") -> None:
        """Give one worker job after job."""
        while (job := self._jobs.get()) is not None:
            future, content = job
            if future.set_running_or_notify_cancel():
                try:
                    result = slot.do(content, self.limit_s)
                except Exception as fault:  # noqa: BLE001 - the future carries it to whoever asks for the result
                    self._finish(future, fault=fault)
                else:
                    self._finish(future, result)
            else:
                self._finish()
        slot.end()

    def _finish(
        self, future: Future[Any] | None = None, result: object = None, fault: BaseException | None = None
    ) -> None:
        with self._lock:
            self._open -= 1
        if future and fault:
            future.set_exception(fault)
        elif future:
            future.set_result(result)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers when they have done their tasks."""
        with self._lock:
            self._ending = True
        if cancel_futures:
            self._cancel_waiting()
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _cancel_waiting(self) -> None:
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is not None and job[0].cancel():
                job[0].set_running_or_notify_cancel()

    def stop(self) -> None:
        """End the workers now, whatever they are doing."""
        self.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + GRACE
        processes = [process for slot in self._slots if (process := slot.close())]
        STOPPED.update(process.pid for process in processes if process.pid)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
            with suppress(OSError):
                process.kill()
            process.join()
        for thread in self._threads:
            thread.join(GRACE)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers: when they are done, or now if there was an exception."""
        if fault is None:
            self.shutdown()
        else:
            self.stop()


class _Slot:
    """A worker process and the way to it; another process where it was lost."""

    def __init__(self, threads: int) -> None:
        self.process: BaseProcess | None = None
        self._threads = threads
        self._lock = threading.Lock()
        self._closed = False
        self._connection: Connection | None = None

    def do(self, job: bytes, limit_s: float | None) -> object:
        """Let the worker do a job.

        Raises:
            WorkerLostError: it ended, or had to be ended.
            Exception: what the job raised.
        """
        process, connection, is_new = self._worker()
        try:
            if is_new:
                connection.recv_bytes()  # it has loaded its libraries
            connection.send_bytes(job)
            if not connection.poll(None if limit_s is None else min(limit_s + FREEZE, LONGEST)):
                process.kill()
            done, value = pickle.loads(connection.recv_bytes())  # noqa: S301 - of our own worker
        except (EOFError, OSError) as fault:
            process.join()
            self.process = None
            connection.close()
            raise WorkerLostError(_how_it_ended(process.exitcode)) from fault
        except BaseException:  # an answer that was not read would be taken for that of the next job
            process.kill()
            process.join()
            self.process = None
            connection.close()
            raise
        if not done:
            raise value
        return value

    def _worker(self) -> tuple[BaseProcess, Connection, bool]:
        """The process, the way to it, and whether it was just started."""
        if self.process is not None and self._connection is not None and self.process.is_alive():
            return self.process, self._connection, False
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        resource_tracker.ensure_running()  # which, once started here, lets signals through again
        with self._lock, held_back():
            if self._closed:
                raise WorkerLostError("the work was stopped")
            process = context.Process(target=_serve_parent, args=(there, self._threads), daemon=True)
            process.start()
            self.process, self._connection = process, here
        there.close()
        return process, here, True

    def close(self) -> BaseProcess | None:
        """Start no process any more; return the one that there is."""
        with self._lock:
            self._closed = True
            return self.process

    def end(self) -> None:
        """End the worker, which is doing nothing."""
        if self.process is not None and self._connection is not None:
            self._connection.close()
            self.process.join()
            self.process = None


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = "; perhaps for want of memory: fewer run.workers need less" if -code == 9 else ""
        return f"its worker process was ended by {name}{memory}."
    return f"its worker process ended with code {code}."


class _Worker:
    """What a worker process is doing."""

    busy = False


def _serve_parent(connection: Connection, threads: int) -> None:
    """Do job after job for the parent, until it closes the connection or ends."""
    use_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "pthread_sigmask"):  # SIGINT stays held back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    with suppress(EOFError, OSError), raised_again(_terminate):  # the parent has ended, or wants no more
        connection.send_bytes(b"ready")
        while True:
            connection.send_bytes(_do(connection.recv_bytes()))


def _do(job: bytes) -> bytes:
    """Do a job; where this worker is told to end, unwind it and end."""
    _Worker.busy = True
    try:
        function, given, named = pickle.loads(job)  # noqa: S301 - of our own parent
        return pickle.dumps((True, function(*given, **named)))
    except Interrupted as stop:
        os._exit(stop.code)
    except Exception as fault:  # noqa: BLE001 - the parent raises it
        try:
            return pickle.dumps((False, fault))
        except Exception:  # noqa: BLE001 - whatever an exception holds that cannot be sent
            return pickle.dumps((False, RuntimeError(f"{type(fault).__name__}: {fault}")))
    finally:
        _Worker.busy = False


def _terminate(number: int, _frame: FrameType | None) -> None:
    stop = Interrupted(number)
    if not _Worker.busy:
        os._exit(stop.code)
    raise stop


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
