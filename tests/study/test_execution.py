"""Tasks in this process, in worker processes, and on a cluster: done, tried again, or given up."""

import errno
import importlib
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.study.execution import (
    Conduct,
    Failure,
    Place,
    RunSettings,
    SerialExecutor,
    WorkerPool,
    Workers,
    each,
    run_each,
)
from stratacam.study.execution.attempt import attempt
from stratacam.study.execution.loaded import loaded_code_has_changed

TWO = RunSettings(workers=2)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(each, "WAITS_S", (0.01, 0.02))


def outcomes(place, function, tasks, **how):
    return {ended.name: ended.outcome for ended in run_each(place, function, tasks, **how)}


def double(number):
    if number == 1:
        raise InputError("sub-01: the scan is empty; remove it.")
    if number == 2:
        raise KeyError("a fault of the program")
    return 2 * number, torch.get_num_threads(), os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_failure_stops_no_other_and_arrives_whole(workers):
    with Workers(RunSettings(workers=workers)) as here, here.place() as place:
        found = outcomes(place, double, {f"sub-0{number}": number for number in range(4)})
    assert found["sub-03"][0] == 6
    assert found["sub-01"] == Failure("sub-01: the scan is empty; remove it.")
    assert found["sub-02"].reason == "KeyError: 'a fault of the program'"
    assert "in double" in found["sub-02"].trace
    if workers == 2:
        assert found["sub-03"][1] == 1
        assert found["sub-03"][2] != os.getpid()


def threads_of(_):
    return [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")]


def test_workers_have_the_threads_they_are_given_and_the_environment_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with Workers(TWO) as here, here.place() as place:
        assert place.executor.submit(threads_of, None).result() == ["1", "1"]
        assert os.environ["OMP_NUM_THREADS"] == "7"
        assert "MKL_NUM_THREADS" not in os.environ


def test_every_step_runs_in_the_executor_that_is_given():
    with ThreadPoolExecutor(1) as cluster, Workers(TWO, executor=cluster) as here:
        for networks in (None, 3):
            with here.place(networks=networks) as place:
                assert place.executor is cluster
    assert here.pool is None


def started(place):
    """The processes of a pool, after it has been given more tasks than it has workers."""
    list(place.executor.map(double, range(3, 9)))
    return place.executor.processes


def test_workers_serve_the_next_step_until_work_is_done_in_this_process():
    with Workers(TWO) as here:
        with here.place() as place:
            first = started(place)
        with here.place() as place:
            assert set(started(place)) >= set(first)
            first = place.executor.processes
            assert 1 <= len(first) <= 2
        assert all(process.is_alive() for process in first)
        with here.place(networks=1):
            assert not any(process.is_alive() for process in first)
        with here.place() as place:
            second = started(place)
            assert not set(second) & set(first)
    assert not any(process.is_alive() for process in second)


@dataclass(frozen=True)
class Unlucky:
    """A task that fails so many times in its way, and then gives the number of its tries."""

    folder: Path
    name: str
    times: int
    way: str

    def do(self):
        tries = self.folder / self.name
        count = len(tries.read_text()) if tries.is_file() else 0
        tries.write_text("x" * (count + 1))
        if count < self.times:
            if self.way == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.way == "exits":
                os._exit(7)
            if self.way == "memory":
                raise MemoryError
            if self.way == "hangs":
                time.sleep(60)
            if self.way == "away":
                raise InputError("scan: cannot be read; mount it") from OSError(
                    errno.ESTALE, "Stale file handle"
                )
            raise ValueError("always so")
        return count + 1


TRIES = {
    "killed twice": (2, "killed", 3, 3),
    "exits once": (1, "exits", 2, 2),
    "away twice": (2, "away", 3, 3),
    "out of memory once": (1, "memory", 2, 2),
    "always killed": (9, "killed", 3, "its worker process was ended by SIGKILL"),
    "always exits": (9, "exits", 3, "its worker process ended with code 7 (tried 3 times)"),
    "always away": (9, "away", 3, "scan: cannot be read; mount it (tried 3 times)"),
    "a fault": (9, "broken", 1, "ValueError: always so"),
    "well": (0, "", 1, 1),
    "well too": (0, "", 1, 1),
}
"""By name, how often a task fails, in which way, how often it is tried, and what comes of it."""


def test_a_task_is_tried_again_where_that_may_help_and_no_more_often_than_said(tmp_path):
    tasks = {name: Unlucky(tmp_path, name, times, way) for name, (times, way, *_) in TRIES.items()}
    with Workers(TWO) as here, here.place() as place:
        got = outcomes(place, Unlucky.do, tasks, retries=2)
    for name, (_, _, tries, wanted) in TRIES.items():
        outcome = got[name]
        assert wanted in outcome.reason if isinstance(wanted, str) else outcome == wanted
        assert len((tmp_path / name).read_text()) == tries, "no task is tried for what befell another"


def test_a_task_that_hangs_is_given_up_and_says_where_it_hung(tmp_path):
    tasks = {"hangs": Unlucky(tmp_path, "hangs", 9, "hangs"), "other": Unlucky(tmp_path, "other", 0, "none")}
    with Workers(TWO) as here, here.place() as place:
        got = outcomes(
            place, Unlucky.do, tasks, conduct=Conduct(limit_s=0.5, marks=tmp_path / "marks"), retries=1
        )
    assert got["other"] == 1
    assert got["hangs"].reason.startswith("took longer than 0.5 s and was given up")
    assert "in do" in got["hangs"].trace
    assert not list((tmp_path / "marks").iterdir())


def test_a_worker_that_is_frozen_is_ended_too(tmp_path, monkeypatch):
    monkeypatch.setattr("stratacam.study.execution.pool.FREEZE", 0.5)
    with Workers(TWO) as here, here.place(limit_s=0.5) as place:
        got = outcomes(place, freeze_once, {"sub-01": tmp_path / "frozen"}, retries=1)
    assert got == {"sub-01": "thawed"}


def freeze_once(file):
    if not file.exists():
        file.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return "thawed"


def test_what_cannot_be_sent_to_a_worker_is_a_failure_of_its_task():
    with Workers(TWO) as here, here.place() as place:
        got = outcomes(place, double, {"sub-01": lambda: None, "sub-03": 3})
    assert "pickle" in got["sub-01"].reason
    assert got["sub-03"][0] == 6


def test_no_more_tasks_are_handed_on_than_are_wanted_at_once():
    class Counting(SerialExecutor):
        waiting = 0

        def submit(self, fn, /, *args, **more):
            self.waiting += 1
            return super().submit(fn, *args, **more)

    executor = Counting()
    for count, _ in enumerate(
        run_each(Place(executor, at_once=3), double, dict.fromkeys(map(str, range(10)), 3)), 1
    ):
        assert executor.waiting <= count + 2


def test_an_executor_that_is_gone_ends_the_work_in_words():
    class Gone(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **more):  # noqa: ARG002
            raise RuntimeError("cannot schedule new futures after shutdown")

    place = Place(Gone(1), is_there=lambda: False, name="run.on: dask")
    with pytest.raises(InputError, match=r"run.on: dask: no longer there .* start it again"):
        outcomes(place, double, {"sub-03": 3})


def test_workers_end_in_the_middle_of_their_tasks_where_a_step_fails():
    pool = WorkerPool(2, threads=1)
    for _ in range(9):
        pool.submit(signal.pause)
    while len(pool.processes) < 2:
        time.sleep(0.01)
    processes = pool.processes
    pool.__exit__(None, InputError("the step as a whole has failed"), None)
    for process in processes:
        process.join()  # for ever, if they went on


def test_a_pool_that_was_stopped_leaves_no_thread_that_the_end_of_python_would_stumble_over():
    before = set(threading.enumerate())
    pool = WorkerPool(1, threads=1)
    pool.submit(time.sleep, 60)
    pool.stop()
    assert set(threading.enumerate()) <= before


def nap_and_say(number):
    time.sleep(0.05)
    return number, os.getpid()


def test_a_pool_under_fire_gives_every_result_once(tmp_path):
    """Workers are killed at random moments while they work."""
    end = threading.Event()

    def fire(pool):
        generator = torch.Generator().manual_seed(0)
        for _ in range(10):
            end.wait(0.2 + 0.3 * float(torch.rand(1, generator=generator)))
            for process in pool.processes[:1]:
                if process.pid:
                    process.kill()

    with Workers(TWO) as here, here.place() as place:
        marksman = threading.Thread(target=fire, args=(place.executor,))
        marksman.start()
        tasks = {str(number): number for number in range(60)}
        found = [
            (ended.name, ended.outcome[0])
            for ended in run_each(place, nap_and_say, tasks, retries=20, conduct=Conduct(marks=tmp_path))
        ]
        end.set()
        marksman.join()
    assert Counter(name for name, _ in found) == Counter(list(tasks))
    assert all(str(number) == name for name, number in found)
    assert not list(tmp_path.iterdir())


def where(_):
    return os.getpid(), torch.get_num_threads()


def test_a_dask_cluster_does_the_same_and_replaces_a_worker_that_is_killed(tmp_path):
    pytest.importorskip("distributed")
    said = []
    with Workers(RunSettings(on="dask", workers=2)) as here, here.place(started=said.append) as place:
        tasks = {"poisoned": Unlucky(tmp_path, "poisoned", 99, "killed")}
        tasks |= {f"sub-{number}": Unlucky(tmp_path, f"sub-{number}", 0, "none") for number in range(4)}
        tasks["once"] = Unlucky(tmp_path, "once", 1, "killed")
        got = outcomes(place, Unlucky.do, tasks, retries=1, conduct=Conduct(marks=tmp_path / "marks"))
        processes = outcomes(place, where, {"a": 0})
    assert "dashboard" in said[0]
    assert isinstance(got.pop("poisoned"), Failure)
    assert got.pop("once") == 2
    assert set(map(type, got.values())) == {int}, "a result that is lost with its worker is made again"
    assert processes["a"][0] != os.getpid()
    assert processes["a"][1] == 1
    assert here.client is None


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("stratacam.study.execution.cluster.PATIENCE_S", 0.5)
    run = RunSettings(on="dask", scheduler="tcp://127.0.0.1:9")
    with (
        Workers(run) as here,
        pytest.raises(InputError, match=r"run.scheduler: tcp://127.0.0.1:9 does not answer .* start it"),
        here.place(),
    ):
        pass


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"on": "slurm"}, "needs the number of jobs and the memory"),
        ({"cluster": {"memory": "1GB"}}, "cluster is for slurm, pbs, sge"),
        ({"scheduler": "tcp://here:1"}, 'scheduler is for on = "dask"'),
        ({"time_limit_h": {"evaluate": 1}}, "evaluate is no step with a limit"),
        ({"time_limit_h": {"train": 0}}, "more than 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        RunSettings(**settings)


def test_a_request_that_the_batch_system_does_not_know_is_refused():
    pytest.importorskip("dask_jobqueue")
    run = RunSettings(on="slurm", workers=1, cluster={"memory": "1GB", "queu": "short"})
    with (
        Workers(run) as here,
        pytest.raises(InputError, match=r"run.cluster: .*queu.* SLURMCluster"),
        here.place(),
    ):
        pass


def test_a_job_computes_with_the_cores_that_it_is_granted(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    with Workers() as here, here.place(networks=6) as place:
        assert isinstance(place.executor, SerialExecutor)
        assert place.threads == 1, "as a worker process would: more threads give other last digits"
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    with Workers(RunSettings(on="serial")) as here, here.place(networks=6) as place:
        assert place.threads is None


def test_a_long_limit_mixes_up_no_results():
    pool = WorkerPool(1, threads=1)
    with pool:
        pool.limit_s = 1e9
        assert list(pool.map(nap_and_say, range(3)))[2][0] == 2
        pool.limit_s = 3600.0
        assert [number for number, _ in pool.map(nap_and_say, range(5, 8))] == [5, 6, 7]


def write_late(given):
    fence, out = given
    fence.unlink()
    write_text(out, "of a run that has ended")


def test_a_task_of_a_run_that_has_ended_puts_nothing_in_its_place(tmp_path):
    fence, out = tmp_path / "records/running/run-1", tmp_path / "result.txt"
    fence.parent.mkdir(parents=True)
    fence.touch()
    out.write_text("of a later run")
    conduct = Conduct(fence=fence)
    failed = attempt(write_late, "sub-01", (fence, out), conduct).outcome
    assert "is gone, and with it the run" in failed.reason
    assert not failed.passing
    assert out.read_text() == "of a later run"
    assert {path.name for path in tmp_path.iterdir()} == {"records", "result.txt"}


def test_code_that_has_changed_since_it_was_loaded_is_seen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_a_user.py").write_text("ONE = 1\n")
    attempt(importlib.import_module, "sub-01", "of_a_user", Conduct(lasting=True))
    (tmp_path / "of_a_user.py").write_text("ONE = 11\n")
    assert loaded_code_has_changed()


@pytest.mark.parametrize(("name", "passing"), [("there/missing.txt", False), ("away/sub-01/scan.txt", True)])
def test_a_file_that_is_missing_in_a_folder_that_is_there_is_not_waited_for(tmp_path, name, passing):
    (tmp_path / "there").mkdir()
    assert attempt(Path.read_text, "sub-01", tmp_path / name, Conduct()).outcome.passing is passing
