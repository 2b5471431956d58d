"""Memory that tasks free is not fetched anew within a task, and is given back after it."""

import json
import os
import platform
import subprocess
import sys

import pytest

ARRAYS = """
import json, multiprocessing, resource, sys
from contextlib import nullcontext
from pathlib import Path
import numpy as np
from stratacam.study.execution.allocation import keeping_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

def task():
    with nullcontext() if sys.argv[1] == "plain" else keeping_freed_memory():
        held = [np.ones(2**21) for _ in range(4)]  # 16 MiB each
        del held
        before = faults()
        for _ in range(20):
            np.ones(2**21)
        found = faults() - before
        within = resident()
    print(json.dumps({"faults": found, "within": within, "after": resident()}))

if sys.argv[1] == "in a process of the user's":
    task()
else:
    worker = multiprocessing.get_context("fork").Process(target=task)
    worker.start()
    worker.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_freed_memory_is_kept_within_a_task_and_given_back_after_it():
    def measured(how):
        environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}  # as in Dask's workers
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", ARRAYS, how], capture_output=True, text=True, check=True, env=environment
        )
        return json.loads(done.stdout)

    plain, kept, of_user = measured("plain"), measured("kept"), measured("in a process of the user's")
    assert plain["faults"] > 1000
    assert kept["faults"] < plain["faults"] / 10
    assert kept["within"] - kept["after"] > 4000
    assert of_user["faults"] > plain["faults"] / 2  # which is left as it was
