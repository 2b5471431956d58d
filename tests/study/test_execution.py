"""Tasks in this process and in worker processes."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from stratacam.errors import InputError
from stratacam.study.execution import Failure, SerialExecutor, WorkerPool, Workers, run_each


def double(number):
    if number == 1:
        raise InputError("sub-01: the scan is empty; remove it.")
    if number == 2:
        raise KeyError("a fault of the program")
    return 2 * number, torch.get_num_threads(), os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_failure_stops_no_other_and_arrives_whole(workers):
    with Workers(workers) as pool, pool.executor() as executor:
        outcomes = dict(run_each(executor, double, {f"sub-0{number}": number for number in range(4)}))
    assert outcomes["sub-03"][0] == 6
    assert outcomes["sub-01"] == Failure("sub-01: the scan is empty; remove it.")
    assert outcomes["sub-02"].reason == "KeyError: 'a fault of the program'"
    assert "in double" in outcomes["sub-02"].trace
    if workers == 2:
        assert outcomes["sub-03"][1] == 1
        assert outcomes["sub-03"][2] != os.getpid()


def threads_of(_):
    return [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")]


def test_workers_have_the_threads_they_are_given_and_the_environment_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with Workers(2) as pool, pool.executor() as executor:
        assert executor.submit(threads_of, None).result() == ["1", "1"]
        assert os.environ["OMP_NUM_THREADS"] == "7"
        assert "MKL_NUM_THREADS" not in os.environ


def test_every_step_runs_in_the_executor_that_is_given():
    with ThreadPoolExecutor(1) as cluster, Workers(2, executor=cluster) as pool:
        for networks in (None, 3):
            with pool.executor(networks=networks) as executor:
                assert executor is cluster
    assert pool.pool is None


def test_networks_run_one_after_the_other_on_a_graphics_card():
    with Workers(2, device="cuda") as pool, pool.executor(networks=3) as executor:
        assert isinstance(executor, SerialExecutor)


def _end_first(number):
    if number == 0:
        os._exit(1)
    return number


def started(executor):
    """The processes of a pool, after it has been given more tasks than it has workers."""
    list(executor.map(double, range(3, 9)))
    return executor.processes


def test_workers_serve_the_next_step_until_work_is_done_in_this_process():
    with Workers(2) as pool:
        with pool.executor() as executor:
            first = started(executor)
        with pool.executor() as executor:
            assert set(started(executor)) >= set(first)
            first = executor.processes
            assert 1 <= len(first) <= 2
        assert all(process.is_alive() for process in first)
        with pool.executor(networks=1):
            assert not any(process.is_alive() for process in first)
        with pool.executor() as executor:
            second = started(executor)
            assert not set(second) & set(first)
    assert not any(process.is_alive() for process in second)


def test_a_lost_worker_costs_its_step_and_no_other():
    with Workers(2) as pool:
        with pool.executor() as executor:
            ((_, lost),) = run_each(executor, _end_first, {"sub-01": 0})
            assert "terminated abruptly" in lost.reason
        with pool.executor() as executor:
            assert list(run_each(executor, _end_first, {"sub-02": 2})) == [("sub-02", 2)]


def test_workers_end_in_the_middle_of_their_tasks_where_a_step_fails():
    pool = WorkerPool(2, threads=1)
    for _ in range(9):
        pool.submit(signal.pause)
    processes = pool.processes
    assert len(processes) == 2
    pool.__exit__(None, InputError("the step as a whole has failed"), None)
    for process in processes:
        process.join()  # for ever, if they went on


def test_a_pool_that_was_stopped_leaves_no_thread_that_the_end_of_python_would_stumble_over():
    before = set(threading.enumerate())
    pool = WorkerPool(1, threads=1)
    pool.submit(time.sleep, 60)
    pool.stop()
    assert set(threading.enumerate()) <= before
