"""What is said while a study runs where there is no terminal, and what its tasks took."""

import io
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import read_table
from stratacam.study import progress
from stratacam.study.execution import Place, RunSettings, SerialExecutor, Workers, metered
from stratacam.study.folders import StudyFolders
from stratacam.study.log import RunLog, read_logs
from stratacam.study.progress import breaking_silence, say, say_unchanged, step_progress
from stratacam.study.resources import summarise, write_resources
from stratacam.study.status import Look
from stratacam.study.work import Work


@pytest.fixture
def said():
    """What was said to `said.console`, line by line, without the times."""

    class Said:
        def __init__(self):
            self.file = io.StringIO()
            self.console = Console(file=self.file)

        def lines(self):
            return [re.sub(r"^[\d: -]{19}  ", "", line) for line in self.file.getvalue().splitlines()]

    return Said()


def test_a_step_that_takes_no_time_has_one_line(said):
    with step_progress(said.console, "pictures", list) as advance:
        for done in range(9):
            advance(done, 8, f"sub-0{done}")
    assert said.lines() == ["pictures: 8 of 8 in 0.0 s"]


def test_lines_of_a_long_step_say_how_fast_it_is_what_failed_and_what_is_at_work(said, monkeypatch):
    monkeypatch.setattr(progress, "SPACING_S", 0.0)
    with step_progress(said.console, "prepare", lambda: [f"sub-0{number}" for number in range(5)]) as advance:
        advance(2, 10, "starting")
        time.sleep(0.05)
        advance(4, 10, "sub-04", failed=1, again=2)
        advance(9, 10, "sub-09", failed=1, again=2)
    middle, last = said.lines()
    assert re.fullmatch(
        r"prepare: 4 of 10, 1 failed, 2 tried again; [\d.]+ per second, about 0.\d s left; at work: sub-00, sub-01, "
        "sub-02 and 2 more",
        middle,
    )
    assert last.startswith("prepare: 9 of 10, 1 failed, 2 tried again in 0.1 s")


def test_silence_is_broken_though_no_task_ends(said, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE_S", 0.05)
    monkeypatch.setattr(progress, "SPACING_S", 0.05)
    monkeypatch.setattr(progress, "WATCH_S", 0.02)
    with step_progress(said.console, "train", lambda: ["vgg16_seed-0"]) as advance:
        advance(0, 3, "starting")
        time.sleep(0.5)
    assert len(said.lines()) >= 3
    assert all(
        re.fullmatch(r"train: 0 of 3; for 0.\d s; at work: vgg16_seed-0", line) for line in said.lines()[:-1]
    )
    before = len(said.lines())
    with breaking_silence(said.console, lambda: "evidence tables: at work"):
        time.sleep(0.3)
    assert "evidence tables: at work" in said.lines()[before:]


def test_steps_without_work_share_a_line_before_whatever_is_said_next(said):
    say_unchanged(said.console, "prepare", "8")
    say_unchanged(said.console, "evaluate", "vgg16_seed-0")
    say_unchanged(said.console, "evaluate", "vgg16_seed-1")
    say_unchanged(said.console, "baselines")
    say(said.console, "explain: again, since --force asks for it")
    assert said.lines() == [
        "prepare: unchanged (8), evaluate: unchanged (vgg16_seed-0, vgg16_seed-1), baselines: unchanged",
        "explain: again, since --force asks for it",
    ]


def test_a_step_that_breaks_off_says_no_end(said):
    def break_off():
        with step_progress(said.console, "prepare") as advance:
            advance(1, 4, "sub-01")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert said.lines() == []


def test_usage_counts_the_work_of_this_process():
    used = metered()
    end = time.process_time() + 0.05
    held = bytearray(50_000_000)
    while time.process_time() < end:
        pass
    found = used()
    assert found.cpu_seconds >= 0.05
    assert found.seconds >= found.cpu_seconds * 0.9
    assert found.memory_mb > len(held) / 2**20


def usage(seconds, memory):
    return {
        "seconds": seconds,
        "cpu_seconds": seconds / 2,
        "memory_mb": memory,
        "host": "node1",
        "process": 7,
    }


def test_resources_are_those_of_the_last_successful_try(tmp_path):
    for run in (
        [("sub-02", "done", 1, 10.0, 500.0), ("sub-01", "done", 1, 20.0, 700.0)],
        [("sub-02", "done", 3, 40.0, 600.0), ("sub-01", "failed", 3, 1.0, 9.0)],
    ):
        log = RunLog(tmp_path)
        for name, outcome, tries, seconds, memory in run:
            log.write(
                "task", step="prepare", name=name, outcome=outcome, tries=tries, **usage(seconds, memory)
            )
        log.write("end", outcome="done")
        time.sleep(0.01)
    (tmp_path / "log" / "z.jsonl").write_text('{"time": "2026", "event": "task", "ste')
    table = tmp_path / "resources.tsv"
    write_resources(tmp_path, table)
    before = table.stat().st_mtime_ns
    write_resources(tmp_path, table)
    assert table.stat().st_mtime_ns == before, "what has not changed is not written again"
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert rows[0] == [
        "step",
        "name",
        "tries",
        "seconds",
        "cpu_seconds",
        "memory_mb",
        "host",
        "finished",
    ]
    assert [row[:7] for row in rows[1:]] == [
        ["prepare", "sub-01", "1", "20.0", "10.0", "700.0", "node1"],
        ["prepare", "sub-02", "3", "40.0", "20.0", "600.0", "node1"],
    ]
    (found,) = summarise([dict(zip(rows[0], row, strict=True)) for row in rows[1:]])
    assert (found.count, found.median_s, found.cpu_s, found.again) == (2, 30, 30, 1)
    assert (found.longest, found.largest) == ((40.0, "sub-02"), (700.0, "sub-01"))


@dataclass(frozen=True)
class Copied:
    """A task that writes a file, or fails."""

    text: str
    out: Path

    @property
    def outputs(self):
        return (self.out,)

    def do(self):
        time.sleep(0.02)
        if self.text == "poisoned":
            raise InputError("text: is poisoned; expected another: change it.")
        self.out.write_text(self.text)


def test_what_the_leading_process_does_is_logged_with_what_it_takes(tmp_path, said):
    work = Work(tmp_path / "records", said.console, Workers(RunSettings(workers=1)))

    def fail():
        with work.log.of_run():
            work.once("baselines", Copied("well", tmp_path / "out"))
            work.once("comparison", Copied("poisoned", tmp_path / "other"))

    with pytest.raises(InputError):
        fail()
    events = list(read_logs(tmp_path / "records"))
    kinds = ["run", "step", "task", "step done", "step", "step done", "end"]
    assert [event["event"] for event in events] == kinds
    assert events[2]["seconds"] >= 0.02
    assert events[2]["memory_mb"] > 10
    assert (events[-1]["outcome"], events[-1]["reason"][:17]) == ("failed", "text: is poisoned")


def test_a_small_study_of_two_workers_is_told_from_its_logs(tmp_path, said):
    """Real tasks in real workers: done, failed, unchanged, and what they took."""
    folders = StudyFolders(tmp_path)
    tasks = {f"sub-0{number}": Copied("well", tmp_path / f"{number}") for number in range(4)}
    tasks["sub-04"] = Copied("poisoned", tmp_path / "4")
    with Workers(RunSettings(workers=2)) as workers:
        for _ in range(2):
            work = Work(folders.records, said.console, workers)
            with work.log.of_run():
                work.each("prepare", tasks)
    found = Look(folders).now()
    (step,) = found.steps
    assert found.state == "done"
    assert (step.total, step.done, step.failed, step.running, step.waiting) == (5, 4, 1, 0, 0)
    assert [(one.name, one.reason[:17]) for one in found.left_out] == [("sub-04", "text: is poisoned")]
    assert said.lines()[-1].startswith("prepare: 4 of 5, 1 failed in ")
    write_resources(folders.records, folders.resources)
    assert [row["name"] for row in read_table(folders.resources)] == sorted(tasks)[:4]


def test_the_address_of_dasks_page_is_in_the_log_and_in_the_status(tmp_path, said):
    @contextmanager
    def place(*, started, **_):
        started("running on tcp://node1:8786; dashboard: http://node1:8787/status")
        yield Place(SerialExecutor())

    workers = Workers(RunSettings(workers=1))
    workers.client = SimpleNamespace(
        scheduler=SimpleNamespace(address="tcp://node1:8786"), dashboard_link="http://node1:8787/status"
    )
    workers.place = place
    folders = StudyFolders(tmp_path)
    work = Work(folders.records, said.console, workers)
    work.each("prepare", {"sub-01": Copied("well", tmp_path / "1")})
    (run,) = Look(folders).now().runs
    assert (run.state, run.dashboard) == ("at work", "http://node1:8787/status")
