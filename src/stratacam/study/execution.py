"""Where work on single scans runs: here, or in worker processes with one thread each."""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from stratacam.errors import InputError

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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


@contextmanager
def local_executor(workers: int = 0, *, tasks: int | None = None) -> Iterator[Executor]:
    """An executor of `workers` processes (0: one per core); for 1, this process.

    Workers have one thread each, or their share of the cores where there are fewer tasks than cores. They end with
    this process, however it ends.

    Args:
        workers: processes.
        tasks: how many tasks there will be; no more processes are started. One for each scan if absent.
    """
    cores = os.cpu_count() or 1
    workers = workers or cores
    if tasks is not None:
        workers = min(workers, max(tasks, 1))
    threads = 1 if tasks is None else max(1, cores // workers)
    if workers == 1:
        yield SerialExecutor()
        return
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        with ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(threads,),
        ) as pool:
            yield pool
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


def _start_worker(threads: int) -> None:
    """`threads` for every library, and an end when the parent ends."""
    import SimpleITK  # noqa: PLC0415 - only in workers
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
