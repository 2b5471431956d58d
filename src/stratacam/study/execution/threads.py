"""Threads of every library."""

import os

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def cores() -> int:
    """Cores that this process may use: those of the machine, or fewer where a batch system gives it fewer."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(here, granted_cores() or here)


def granted_cores() -> int | None:
    """Cores that a batch system gives to this process; None where there is none, or it does not say."""
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(granted) if granted.isdigit() and int(granted) else None


def use_threads(count: int) -> None:
    """Let every library compute with so many threads, in this process and in this thread."""
    os.environ.update(
        dict.fromkeys(THREAD_VARIABLES, str(count))
    )  # which libraries read when they are loaded
    import SimpleITK  # noqa: PLC0415 - only in workers, and after that
    import threadpoolctl  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.set_num_threads(count)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    threadpoolctl.threadpool_limits(count)  # of libraries that were loaded before
