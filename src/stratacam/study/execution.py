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
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType, TracebackType
from typing import ParamSpec, Self, TypeVar

import threadpoolctl

from stratacam.errors import InputError
from stratacam.files import remove_leftovers
from stratacam.interruption import Interrupted, held_back

Given = TypeVar("Given")
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
        manager = getattr(
            self._pool, "_executor_manager_thread", None
        )  # left alive, it would fail as Python exits
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
        if manager is not None:
            manager.join(GRACE)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers: when they are done, or now if there was an exception."""
        if fault is None:
            self.shutdown()
        else:
            self.stop()


class Workers:
    """Where the tasks of a study run: in this process, in worker processes, or in an executor of the user's.

    Worker processes serve one step after the other, as starting them takes longer than many a step. They end before a
    step that runs in this process, which then has memory and cores to itself, and with the `with` block.

    Args:
        count: processes; 0: one per core; 1: this process.
        device: where networks run; on a graphics card they run one after the other, in this process.
        executor: runs every task that takes long instead, such as a cluster's `Client.get_executor()`; scores,
            baselines and tables are made in this process.
    """

    def __init__(self, count: int = 0, *, device: str = "cpu", executor: Executor | None = None) -> None:
        self.count = count
        self.device = device
        self.given = executor
        self.pool: WorkerPool | None = None

    def __enter__(self) -> Self:
        """Nothing is started before there is work."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker processes: when they are done, or now if there was an exception."""
        if self.pool is not None:
            self.pool.__exit__(kind, fault, trace)
            self.pool = None

    @contextmanager
    def executor(self, *, networks: int | None = None) -> Iterator[Executor]:
        """Where a step runs.

        Args:
            networks: how many tasks it has, if these are few and run a network for long: no more processes are
                started, which share the cores. If absent every process has one thread.
        """
        if self.given is not None:
            yield self.given
            return
        cores = os.cpu_count() or 1
        count, threads = self.count or cores, 1
        if networks is not None:
            count = min(count, max(networks, 1)) if self.device == "cpu" else 1
            threads = max(1, cores // count)
        try:
            yield self._local(count, threads)
        except BaseException as fault:
            self.__exit__(type(fault), fault, fault.__traceback__)
            raise

    def _local(self, count: int, threads: int) -> Executor:
        """The processes that are there, or others where the number differs."""
        if count == 1:
            self.__exit__(None, None, None)
            return SerialExecutor()
        if self.pool is None or self.pool.size != (count, threads):
            self.__exit__(None, None, None)
            self.pool = WorkerPool(count, threads)
        return self.pool


def run_each(
    executor: Executor, function: Callable[[Given], Result], tasks: Mapping[str, Given]
) -> Iterator[tuple[str, Result | Failure]]:
    """Run `function` with every task; yield its name and outcome as it ends. One failure stops no other.

    Args:
        executor: any `concurrent.futures.Executor`.
        function: importable by name, as are the types of the tasks.
        tasks: by name.
    """
    futures = {executor.submit(function, task): name for name, task in tasks.items()}
    for future in as_completed(futures):
        fault = future.exception()
        yield futures[future], future.result() if fault is None else _failure(fault)


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
    os.environ.update(
        dict.fromkeys(THREAD_VARIABLES, str(threads))
    )  # which libraries read when they are loaded
    import SimpleITK  # noqa: PLC0415 - only in workers, and after that
    import torch  # noqa: PLC0415

    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "pthread_sigmask"):  # SIGINT stays held back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    torch.set_num_threads(threads)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    threadpoolctl.threadpool_limits(threads)  # of libraries that were loaded before


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
