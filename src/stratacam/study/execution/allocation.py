"""Memory that a task frees is kept for its next use, and given back after the task.

A network allocates and frees the same large arrays again and again. What glibc hands back to the system meanwhile has
to be fetched and zeroed anew: a twentieth of the time of maps, and a quarter in Dask's workers, where Dask asks for it
to be handed back at once. Other C libraries are left as they are, and so is a process that is nobody's worker, such as
a notebook's: how glibc handles memory is set for good.
"""

import ctypes
import multiprocessing
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`: what may stay free at the end of the heap, and what gets a mapping of its own."""

KEPT, KEPT_BY_OLD = 10**9, 2**25
"""Bytes; the second is the most that older versions take as `MMAP_THRESHOLD`."""


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """While this lasts, memory that a worker frees stays with it; after, it goes back to the system."""
    library = _glibc() if multiprocessing.parent_process() else None
    if library is None:
        yield
        return
    library.mallopt(TRIM_THRESHOLD, KEPT)
    if not library.mallopt(MMAP_THRESHOLD, KEPT):
        library.mallopt(MMAP_THRESHOLD, KEPT_BY_OLD)
    try:
        yield
    finally:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library of this process where it is glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
