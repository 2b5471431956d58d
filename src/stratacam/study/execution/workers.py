"""The one place that decides where the tasks of a study run."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stratacam.files import remove_leftovers
from stratacam.interruption import Interrupted
from stratacam.study.devices import processes_for, resolve_device
from stratacam.study.execution.each import Place
from stratacam.study.execution.pool import STOPPED, WorkerPool
from stratacam.study.execution.serial import SerialExecutor
from stratacam.study.execution.settings import RunSettings
from stratacam.study.execution.threads import cores, granted_cores

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 2
"""Tasks that are handed on for each worker, so that none waits for its next."""


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """Remove what was being written below `folder` if this is interrupted; workers must have ended by then."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        remove_leftovers(folder, {*STOPPED, os.getpid()})
        raise


class Workers:
    """Where the tasks of a study run: in this process, in worker processes, on a cluster, or in a given executor.

    Worker processes serve one step after the other, as starting them takes longer than many a step. They end before a
    step that runs in this process, which then has memory and cores to itself, and with the `with` block. A cluster is
    started once, before the first step that has work for it.

    Args:
        run: the study's settings.
        executor: runs every task that takes long instead; scores, baselines and tables are made in this process.
    """

    def __init__(self, run: RunSettings | None = None, *, executor: Executor | None = None) -> None:
        self.run = run or RunSettings()
        self.given = executor
        self.pool: WorkerPool | None = None
        self.client: Client | None = None
        self._cluster = ExitStack()

    def __enter__(self) -> Self:
        """Nothing is started before there is work."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End processes and cluster: when they are done, or now if there was an exception."""
        if self.pool is not None:
            self.pool.__exit__(kind, fault, trace)
            self.pool = None
        if self.client is not None:
            self.client = None
            self._cluster.close()

    @property
    def elsewhere(self) -> bool:
        """Whether tasks run on a cluster, or in an executor of the user's."""
        return self.given is not None or self.run.on not in {"serial", "processes"}

    @contextmanager
    def place(
        self,
        *,
        networks: int | None = None,
        limit_s: float | None = None,
        started: Callable[[str], None] = lambda _: None,
    ) -> Iterator[Place]:
        """Where a step runs.

        Args:
            networks: how many tasks it has, if these are few and run a network for long: no more processes are
                started, which share the cores. If absent every process has one thread.
            limit_s: seconds after which a task is given up; None: never.
            started: is told, in a sentence, of a cluster that was started.

        Raises:
            InputError: the cluster cannot be had.
        """
        try:
            if self.given is not None:
                yield Place(self.given)
            elif self.elsewhere:
                yield self._on_cluster(networks, started)
            else:
                yield self._here(networks, limit_s)
        except BaseException as fault:
            self.__exit__(type(fault), fault, fault.__traceback__)
            raise

    def _share(self, networks: int | None) -> tuple[int, int]:
        """Processes of this machine, and threads of each."""
        here = cores()
        count = 1 if self.run.on == "serial" else self.run.workers or here
        if networks is None:
            return count, 1
        count = processes_for(resolve_device(self.run.device), min(count, max(networks, 1)))
        return count, max(1, here // count)

    def _here(self, networks: int | None, limit_s: float | None) -> Place:
        """The processes that are there, or others where the number differs."""
        count, threads = self._share(networks)
        if count == 1:
            self.__exit__(None, None, None)
            return Place(SerialExecutor(), at_once=1, threads=granted_cores(), name="this process")
        if self.pool is None or self.pool.size != (count, threads):
            self.__exit__(None, None, None)
            self.pool = WorkerPool(count, threads)
        self.pool.limit_s = limit_s
        return Place(self.pool, at_once=AHEAD * count, apart=True, name="run.on: worker processes")

    def _on_cluster(self, networks: int | None, started: Callable[[str], None]) -> Place:
        """The cluster's workers; those of this machine have the threads that processes would have."""
        from stratacam.study.execution.cluster import ClusterExecutor, cluster_of  # noqa: PLC0415 - where there is one

        if self.client is None:
            self.client = self._cluster.enter_context(cluster_of(self.run))
            started(f"running on {self.client.scheduler.address}; dashboard: {self.client.dashboard_link}")
        client, local = self.client, self.run.on == "dask" and self.run.scheduler is None
        count, threads = self._share(networks) if local else (0, self.run.threads)
        at_once = AHEAD * (count or max(self.run.workers, len(client.nthreads())))
        return Place(
            ClusterExecutor(client),
            at_once=at_once,
            threads=threads,
            apart=True,
            lasting=self.run.scheduler is not None,
            is_there=lambda: client.status == "running",
            name=f"run.on: {self.run.on}",
        )
