"""Tasks in this process and in worker processes."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from stratacam.errors import InputError
from stratacam.study.execution import Failure, kept_workers, local_executor, run_each


def double(number):
    if number == 1:
        raise InputError("sub-01: the scan is empty; remove it.")
    if number == 2:
        raise KeyError("a fault of the program")
    return 2 * number, torch.get_num_threads(), os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_failure_stops_no_other_and_arrives_whole(workers):
    with local_executor(workers) as executor:
        outcomes = {
            done.name: done.outcome
            for done in run_each(executor, double, {f"sub-0{number}": (number,) for number in range(4)})
        }
    assert outcomes["sub-03"][0] == 6
    assert outcomes["sub-01"] == Failure("sub-01: the scan is empty; remove it.")
    assert outcomes["sub-02"].reason == "KeyError: 'a fault of the program'"
    assert "in double" in outcomes["sub-02"].trace
    if workers == 2:
        assert outcomes["sub-03"][1] == 1
        assert outcomes["sub-03"][2] != os.getpid()


def test_environment_is_as_before_when_the_workers_have_ended(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with local_executor(2):
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def _processes(executor, tasks=8):
    return set(executor.map(_whoami, range(tasks)))


def _whoami(_):
    time.sleep(0.05)
    return os.getpid()


def _end(_):
    os._exit(1)


def test_workers_serve_the_next_step_until_work_is_done_in_this_process():
    with kept_workers():
        with local_executor(2) as executor:
            first = _processes(executor)
        with kept_workers(), local_executor(2) as executor:
            assert _processes(executor) <= first
        assert any(map(alive, first))
        with local_executor(1):
            assert not any(map(alive, first))
        with local_executor(2) as executor:
            second = _processes(executor)
            assert not second & first
    assert not any(map(alive, second))


def test_a_lost_worker_costs_its_step_and_no_other():
    with kept_workers():
        with local_executor(2) as executor:
            (lost,) = run_each(executor, _end, {"sub-01": (0,)})
            assert "terminated abruptly" in lost.outcome.reason
        with local_executor(2) as executor:
            assert _processes(executor)


SLEEPER = """
import os, sys, time
from stratacam.study.execution import local_executor

def nap(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    with local_executor(2) as executor:
        for future in [executor.submit(nap, 600), executor.submit(nap, 600)]:
            future.result()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_workers_end_when_the_parent_is_killed(tmp_path):
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)  # noqa: S603
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(alive, workers)):
        time.sleep(0.1)
    assert not any(map(alive, workers))


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
