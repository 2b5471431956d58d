"""Workers of a Dask cluster: one that is there, one of this machine, or jobs of a batch system."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from stratacam.errors import InputError
from stratacam.interruption import held_back
from stratacam.study.execution.settings import QUEUES, RunSettings
from stratacam.study.execution.threads import THREAD_VARIABLES, cores

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

PATIENCE_S = 30
"""Seconds in which a scheduler has to answer."""


@contextmanager
def cluster_of(run: RunSettings) -> Iterator["Client"]:
    """A client of the cluster that a study runs on; what was started for it ends with the block.

    Raises:
        InputError: Dask is not installed, the scheduler does not answer, or the batch system takes no such request.
    """
    dask, distributed = _libraries(run)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of a lost scheduler the run itself tells
    settings = {
        "distributed.scheduler.allowed-failures": 0,  # who lost a worker is tried again by us, and no other
        "distributed.comm.timeouts.connect": PATIENCE_S,
        "distributed.worker.daemon": False,
        "distributed.worker.profile.enabled": False,  # which looks at every task a hundred times a second
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.admin.tick.interval": "1s",
        "distributed.nanny.pre-spawn-environ": {**dict.fromkeys(THREAD_VARIABLES, 1), "MALLOC_ARENA_MAX": 1},
    }
    with dask.config.set(settings), ExitStack() as stack:
        with held_back():  # the workers do not hear Ctrl-C: this process ends them
            address = run.scheduler or stack.enter_context(_cluster(run))
            try:
                client: Client = stack.enter_context(distributed.Client(address, timeout=PATIENCE_S))
            except (OSError, ValueError) as fault:
                raise InputError(
                    f"run.scheduler: {run.scheduler} does not answer within {PATIENCE_S} s ({fault}); expected the "
                    "address of a Dask scheduler, such as tcp://host:8786: start it, or correct the address."
                ) from fault
        _check_threads(run, client)
        yield client


class ClusterExecutor(Executor):
    """The workers of a cluster as an executor.

    Dask's own leaves a future without an end where a result is lost with its worker before it was fetched; here such a
    result is waited for until the cluster has made it again.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Hand a task to the cluster."""
        future: Future[Result] = Future()
        remote = self._client.submit(fn, *args, pure=False, **kwargs)
        remote.add_done_callback(partial(_pass_on, future))
        # which also keeps the remote one, without which the cluster would forget the task
        future.add_done_callback(lambda ended: remote.cancel() if ended.cancelled() else None)
        return future


def _pass_on(future: Future[Result], remote: Any) -> None:  # noqa: ANN401 - dask is not typed
    """Give a future what came of the remote one, in a thread of Dask's client."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = remote.result()
    except BaseException as fault:  # noqa: BLE001 - whoever asks for the result gets it
        future.set_exception(fault)
    else:
        future.set_result(result)


def _libraries(run: RunSettings) -> tuple[Any, Any]:
    """Dask and its scheduler, which are not there without the extra."""
    try:
        import dask  # noqa: PLC0415
        import distributed  # noqa: PLC0415

        if run.on in QUEUES:
            import dask_jobqueue  # noqa: F401, PLC0415
    except ImportError as fault:
        raise InputError(
            f'run.on: found "{run.on}", but {fault.name} is not installed; expected the extra `cluster`: install '
            "it with `pip install '.[cluster]'` in a clone of stratacam."
        ) from fault
    return dask, distributed


@contextmanager
def _cluster(run: RunSettings) -> Iterator[Any]:
    """A cluster that is started, and ended with the block."""
    if run.on in QUEUES:
        with _jobs(run) as cluster:
            cluster.adapt(minimum_jobs=1, maximum_jobs=run.workers)
            yield cluster
        return
    from distributed import LocalCluster  # noqa: PLC0415

    with LocalCluster(
        n_workers=run.workers or cores(),
        threads_per_worker=1,
        memory_limit=None,  # tasks of a network take what they need; the system ends them, not Dask
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster


def _jobs(run: RunSettings) -> Any:  # noqa: ANN401 - dask-jobqueue is not typed
    """Workers that are jobs of a batch system, with a thread of Dask's each: its libraries' threads are cores."""
    import dask_jobqueue  # noqa: PLC0415

    kind = {
        "slurm": dask_jobqueue.SLURMCluster,
        "pbs": dask_jobqueue.PBSCluster,
        "sge": dask_jobqueue.SGECluster,
    }[run.on]
    asked = {"cores": 1, "processes": 1, **run.cluster}
    if run.on == "slurm":
        asked.setdefault("job_cpu", run.threads)
    try:
        return kind(**asked)
    except (TypeError, ValueError) as fault:
        raise InputError(
            f"run.cluster: {fault}; expected the settings of dask_jobqueue.{kind.__name__}: correct or remove it."
        ) from fault


def _check_threads(run: RunSettings, client: "Client") -> None:
    """Refuse workers that do several tasks at once in one process.

    Raises:
        InputError: there are such workers.
    """
    several = sorted(address for address, threads in client.nthreads().items() if threads > 1)
    if several:
        raise InputError(
            f"run.scheduler: the workers of {run.scheduler} ({several[0]} among them) have several threads; expected "
            "one each, as a task needs its process to itself: start them with `dask worker --nthreads 1`, as many as "
            "there are cores."
        )
