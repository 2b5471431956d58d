"""Where work on single scans runs: here, or in worker processes with one thread each."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from stratacam.errors import InputError
from stratacam.files import remove_leftovers
from stratacam.interruption import Interrupted, held_back

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


GRACE = 3.0
"""Seconds in which workers may unwind what they are doing, before they are killed."""


_STOPPED: set[int] = set()


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """Remove what was being written below `folder` if this is interrupted; workers must have ended by then."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        remove_leftovers(folder, {*_STOPPED, os.getpid()})
        raise


class SerialExecutor(Executor):
    """An executor that does each task at once, in this process."""

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Do the task and return its finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as fault:  # noqa: BLE001 - the future carries it to whoever asks for the result
            future.set_exception(fault)
        return future


@dataclass(frozen=True)
class Failure:
    """Why a task gave no result: a sentence, and the traceback where it was no user's mistake."""

    reason: str
    trace: str | None = None


@dataclass(frozen=True)
class Finished(Generic[Result]):
    """A task that ended: its name, and its result or why there is none."""

    name: str
    outcome: Result | Failure


class WorkerPool(Executor):
    """Worker processes, started when there is work, and again where one was lost with the tasks that it had.

    Only this process hears Ctrl-C. Left with an exception, the pool ends its workers at once: each unwinds its task,
    or is killed after `GRACE`.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self.size = (workers, threads)
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        workers, threads = self.size
        return ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(threads,),
        )

    @property
    def processes(self) -> tuple[BaseProcess, ...]:
        """The workers that have been started and not ended."""
        return tuple((self._pool._processes or {}).values())  # noqa: SLF001 - public from Python 3.14 on only

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Hand a task to the workers."""
        with held_back():
            try:
                return self._pool.submit(_in_worker, fn, *args, **kwargs)
            except BrokenExecutor:
                self._pool = self._start()
                return self._pool.submit(_in_worker, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers when they have done their tasks."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def stop(self) -> None:
        """End the workers now, whatever they are doing."""
        processes = self.processes
        _STOPPED.update(process.pid for process in processes if process.pid)
        self._pool.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + GRACE
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
            with suppress(OSError):
                process.kill()
            process.join()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers: when they are done, or now if there was an exception."""
        if fault is None:
            self.shutdown()
        else:
            self.stop()


class _Kept:
    """Workers that go on from one step to the next, while these ask for as many with as many threads."""

    def __init__(self) -> None:
        self.pool: WorkerPool | None = None

    def of_size(self, workers: int, threads: int) -> WorkerPool:
        """The workers that are there, or others where the size differs."""
        if self.pool is None or self.pool.size != (workers, threads):
            self.end()
            self.pool = WorkerPool(workers, threads)
        return self.pool

    def end(self, fault: BaseException | None = None) -> None:
        """End the workers: when they are done, or now if there was an exception."""
        if self.pool is not None:
            self.pool.__exit__(None, fault, None)
            self.pool = None


_KEPT: ContextVar[_Kept | None] = ContextVar("_KEPT", default=None)


@contextmanager
def kept_workers() -> Iterator[None]:
    """Within this, one step's workers serve the next: to start them takes longer than many a step.

    They end where a step is done in this process, which has the memory and the cores to itself.
    """
    if _KEPT.get() is not None:
        yield
        return
    kept = _Kept()
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)
        kept.end()


@contextmanager
def local_executor(workers: int = 0, *, tasks: int | None = None) -> Iterator[Executor]:
    """An executor of `workers` processes (0: one per core); for 1, this process.

    Workers have one thread each, or their share of the cores where there are fewer tasks than cores. They end with
    the executor, unless within `kept_workers`, and with this process, however it ends.

    Args:
        workers: processes.
        tasks: how many tasks there will be; no more processes are started. One for each scan if absent.
    """
    cores = os.cpu_count() or 1
    workers = workers or cores
    if tasks is not None:
        workers = min(workers, max(tasks, 1))
    threads = 1 if tasks is None else max(1, cores // workers)
    kept = _KEPT.get()
    if workers == 1:
        if kept is not None:
            kept.end()
        yield SerialExecutor()
        return
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        if kept is not None:
            yield kept.of_size(workers, threads)
        else:
            with WorkerPool(workers, threads) as pool:
                yield pool
    except BaseException as fault:
        if kept is not None:
            kept.end(fault)
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_each(
    executor: Executor, function: Callable[..., Result], tasks: Mapping[str, tuple[Any, ...]]
) -> Iterator[Finished[Result]]:
    """Run `function` with the arguments of every task; yield each as it ends. One failure stops no other.

    Args:
        executor: any `concurrent.futures.Executor`.
        function: importable by name, as are its arguments' types.
        tasks: arguments by the task's name.
    """
    futures = {executor.submit(function, *arguments): name for name, arguments in tasks.items()}
    for future in as_completed(futures):
        fault = future.exception()
        outcome = future.result() if fault is None else _failure(fault)
        yield Finished(futures[future], outcome)


def _failure(fault: BaseException) -> Failure:
    if isinstance(fault, InputError):
        return Failure(str(fault))
    return Failure(f"{type(fault).__name__}: {fault}", "".join(traceback.format_exception(fault)))


class _Worker:
    """What a worker process is doing."""

    busy = False


def _in_worker(
    function: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Do a task; where this worker is told to end, unwind the task and end."""
    _Worker.busy = True
    try:
        return function(*args, **kwargs)
    except Interrupted as stop:
        os._exit(stop.code)
    finally:
        _Worker.busy = False


def _terminate(number: int, _frame: FrameType | None) -> None:
    stop = Interrupted(number)
    if not _Worker.busy:
        os._exit(stop.code)
    raise stop


def _start_worker(threads: int) -> None:
    """`threads` for every library, and an end when the parent ends or says so."""
    import SimpleITK  # noqa: PLC0415 - only in workers
    import torch  # noqa: PLC0415

    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "pthread_sigmask"):  # SIGINT stays held back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    torch.set_num_threads(threads)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
