"""How far a study is, told from made-up logs and marks: what is done, at work, broken off, failed and left."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from stratacam import cli
from stratacam.interruption import Interrupted
from stratacam.report import refresh_report
from stratacam.study.folders import StudyFolders
from stratacam.study.lock import at_work, owner_of
from stratacam.study.log import LogReader, RunLog, began, of_command, run_log
from stratacam.study.marks import names_at_work, noting_what_is_stopped
from stratacam.study.status import Look
from stratacam.study.status.estimate import time_left
from stratacam.study.status.order import EVIDENCE, RUN, after

HERE = socket.gethostname()


def now():
    return datetime.now(UTC)


def line(ago, event, what):
    """A line of a log."""
    time = (now() - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, "event": event, **what}) + "\n"


class Study:
    """A made-up study: runs with their lines, each so many seconds ago."""

    def __init__(self, root):
        self.folders = StudyFolders(root)
        self.records = self.folders.records
        (self.records / "log").mkdir(parents=True)

    def run(self, name, *lines, host=HERE, process=None, command="run study.toml", ago=600):
        """A log; its process is this one unless it says otherwise, and each line is (seconds ago, event, what)."""
        process = os.getpid() if process is None else process
        head = {"host": host, "process": process, "began": began(process), "command": command}
        file = self.records / "log" / f"{name}.jsonl"
        file.write_text("".join(line(*one) for one in ((ago, "run", head), *lines)))
        last = now().timestamp() - (lines[-1][0] if lines else ago)
        os.utime(file, (last, last))
        return file

    def mark(self, step, name, ago, host=HERE, process=None):
        content = {
            "host": host,
            "process": os.getpid() if process is None else process,
            "since": (now() - timedelta(seconds=ago)).isoformat(timespec="seconds"),
        }
        file = self.records / "running" / step / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))

    def now(self):
        return Look(self.folders).now()


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path / "study")


def begin(step, pending, done=0, total=None, ago=500, **more):
    return (
        ago,
        "step",
        {"step": step, "pending": pending, "done": done, "total": total or pending + done, **more},
    )


def ended(step, name, seconds=30.0, *, ago=300, reason=None, tries=1):
    usage = {"seconds": seconds, "cpu_seconds": seconds, "memory_mb": 400.0, "host": HERE, "process": 7}
    outcome = {"outcome": "failed", "reason": reason} if reason else {"outcome": "done"}
    return ago, "task", {"step": step, "name": name, "tries": tries, **outcome, **usage}


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_step_at_work_is_counted_and_estimated_from_the_median(study):
    study.run(
        "a",
        begin("prepare", 10, done=2),
        ended("prepare", "sub-03", 10),
        ended("prepare", "sub-04", 20),
        ended("prepare", "sub-05", 90, reason="sub-05: no T1w"),
        ended("prepare", "sub-06", 30),
    )
    study.mark("prepare", "sub-07", ago=5)
    study.mark("prepare", "sub-08", ago=25)
    found = study.now()
    (step,) = found.steps
    assert found.state == "at work"
    assert (step.total, step.done, step.running, step.waiting, step.failed) == (12, 5, 2, 4, 1)
    assert step.median_s == 20
    assert step.left_s == pytest.approx((15 + 0 + 4 * 20) / 2, abs=2)
    assert step.seconds == pytest.approx(500, abs=5)
    assert [(task.name, round(task.seconds)) for task in found.running] == [
        ("sub-07", pytest.approx(5, abs=3)),
        ("sub-08", pytest.approx(25, abs=3)),
    ]
    assert found.next_steps[0] == "pictures"


def test_nothing_is_estimated_before_a_task_is_done():
    assert time_left([], [10, 20], 5) is None
    assert time_left([10], [], 5) is None
    assert time_left([10], [], 0) == 0
    assert time_left([10, 20, 60], [1, 19], 0) == 19, "no step ends before its last task"


def test_tasks_that_run_for_longer_than_those_before_are_taken_to_be_as_long():
    assert time_left([4.4], [40, 40], 4) == 4 * 40 / 2
    assert time_left([4, 4, 4], [1, 2], 2) == (3 + 2 + 2 * 4) / 2


def test_an_earlier_run_says_how_long_a_task_takes_until_one_is_done(study):
    study.run("a", begin("prepare", 1), ended("prepare", "sub-01", 40), (200, "end", {"outcome": "done"}))
    study.run("b", begin("prepare", 4, ago=9), ago=10)
    study.mark("prepare", "sub-02", ago=0)
    (step,) = study.now().steps
    assert (step.done, step.total, step.waiting) == (0, 4, 3)
    assert step.left_s == pytest.approx(4 * 40, abs=3)


def test_a_killed_run_is_known_by_its_process_and_what_it_was_doing_is_named(study, dead):
    study.run("a", begin("prepare", 3), ended("prepare", "sub-01"), process=dead)
    study.mark("prepare", "sub-02", ago=100, process=dead)
    found = study.now()
    assert (found.state, found.runs[0].state) == ("killed", "killed")
    assert [task.name for task in found.broken_off] == ["sub-02"]
    assert not found.running
    assert found.steps[0].waiting == 2
    assert found.steps[0].left_s is None
    assert found.runs[0].seconds == pytest.approx(300, abs=1), "until its last word"


def test_another_process_with_the_number_of_a_killed_one_is_not_taken_for_it(study):
    file = study.run("a", begin("prepare", 3))
    file.write_text(file.read_text().replace(f'"began": {began(os.getpid())}', '"began": 1'))
    if began(os.getpid()) is not None:
        assert study.now().state == "killed"


@pytest.mark.parametrize("outcome", ["done", "failed", "interrupted"])
def test_a_run_that_ended_says_how(study, outcome):
    study.run("a", begin("prepare", 1), (100, "end", {"outcome": outcome, "reason": "out: no room"}))
    found = study.now()
    assert found.state == outcome
    assert found.runs[0].seconds == pytest.approx(500, abs=1)
    assert not found.next_steps


def test_parts_that_share_a_study_are_added(study):
    part = {"part": True, "total": 6}
    study.run(
        "a",
        begin("prepare", 3, ago=500, **part),
        ended("prepare", "sub-01", 10, ago=450),
        ended("prepare", "sub-02", 10, ago=400),
        command="run study.toml --step prepare --participant-label 01 02 03",
        host="node1",
        process=4,
        ago=501,
    )
    study.run(
        "b",
        begin("prepare", 2, done=1, ago=430, **part),
        ended("prepare", "sub-04", 30, ago=5),
        command="run study.toml --step prepare --participant-label 04 05",
        host="node2",
        process=4,
        ago=431,
    )
    file = study.records / "log" / "a.jsonl"
    os.utime(file)  # it beats
    study.mark("prepare", "sub-03", ago=20, host="node1", process=9)
    study.mark("prepare", "sub-05", ago=3, host="node2", process=9)
    found = study.now()
    (step,) = found.steps
    assert len(found.runs) == 2
    assert (step.total, step.done, step.running, step.waiting) == (6, 3, 2, 1), "sub-06 is nobody's yet"
    assert step.left_s == pytest.approx(7, abs=3)
    assert {(task.name, task.host) for task in found.running} == {("sub-03", "node1"), ("sub-05", "node2")}


def test_a_part_that_was_killed_is_not_hidden_by_one_that_ended_after_it(study, dead):
    part = {"part": True, "total": 2}
    study.run("a", begin("prepare", 1, **part), command="run s.toml --step prepare", process=dead, ago=600)
    study.mark("prepare", "sub-01", ago=400, process=dead)
    ending = ended("prepare", "sub-02"), (100, "end", {"outcome": "done"})
    study.run(
        "b", begin("prepare", 1, ago=490, **part), *ending, command="run s.toml --step prepare", ago=495
    )
    found = study.now()
    assert found.state == "killed"
    assert [task.name for task in found.broken_off] == ["sub-01"]
    (study.records / "running/prepare/sub-01.json").unlink()  # as whoever did it again leaves it
    assert study.now().state == "parts ended"


def test_parts_one_after_the_other_are_added_out_of_the_whole_cohort_and_are_not_the_study(run, study):
    part = {"part": True, "total": 8}
    for number, people in enumerate((("sub-01", "sub-02", "sub-03"), ("sub-04", "sub-05"))):
        ago = 600 - 100 * number
        study.run(
            f"log{number}",
            begin("prepare", len(people), ago=ago - 1, **part),
            *(ended("prepare", name, ago=ago - 50) for name in people),
            (ago - 60, "end", {"outcome": "done"}),
            command="run 'my study/my.toml' --step prepare --participant-label 01",
            ago=ago,
        )
    found = study.now()
    (step,) = found.steps
    assert (found.state, step.done, step.waiting, step.total) == ("parts ended", 5, 3, 8)
    code, said = run("status", study.folders.root)
    assert code == cli.UNFINISHED
    assert said.splitlines()[-1] == "Then: stratacam run 'my study/my.toml'"


def test_a_command_is_one_run_at_work_until_it_ends(study):
    with of_command():
        for step in ("evaluate", "report"):
            log = run_log(study.records)
            with log.of_run():
                log.write("step", step=step, name="study")
                log.write("task", outcome="done", step=step, name="study", tries=1)
            assert study.now().state == "at work"
    found = study.now()
    assert found.state == "done"
    assert [step.done for step in found.steps] == [1, 1]
    assert len(list((study.records / "log").iterdir())) == 1


def test_an_exit_code_is_no_failure_of_a_run(study):
    def command():
        with of_command():
            run_log(study.records).write("left out", step="check", name="sub-01", reason="no group")
            sys.exit(cli.LEFT_OUT)

    with pytest.raises(SystemExit):
        command()
    assert study.now().state == "done"


def test_all_that_was_being_done_when_a_run_was_interrupted_is_named(study, dead):
    log = RunLog(study.records)
    log.write("step", step="train", pending=3, done=0, total=3)
    for name in ("first", "second", "of_another_part"):
        study.mark("train", name, ago=20)
    with (
        pytest.raises(Interrupted),
        noting_what_is_stopped(log, study.records / "running/train", {"first", "second", "third"}),
    ):
        raise Interrupted(2)
    for mark in (study.records / "running/train").iterdir():
        mark.unlink()  # as workers do that end by themselves
    (file,) = (study.records / "log").iterdir()
    file.write_text(file.read_text().replace(f'"process": {os.getpid()}', f'"process": {dead}'))
    found = study.now()
    assert found.state == "interrupted", "though a second signal let it say no more"
    assert [task.name for task in found.broken_off] == ["first", "second"]
    assert found.broken_off[0].seconds == pytest.approx(20, abs=3)


def test_progress_names_only_the_tasks_of_its_own_run(study):
    for name in ("sub-01", "sub-02", "sub-09"):
        study.mark("prepare", name, ago=1)
    assert names_at_work(study.records / "running/prepare", {"sub-01", "sub-02", "sub-03"}) == [
        "sub-01",
        "sub-02",
    ]


def test_a_run_elsewhere_is_at_work_while_it_is_heard_of_and_no_time_is_negative(study):
    study.run("a", begin("prepare", 3, ago=-4000), host="node1", process=1, ago=-4001)  # its clock is ahead
    study.mark("prepare", "sub-01", ago=-4100, host="node1", process=2)
    found = study.now()
    assert found.state == "at work"
    assert found.runs[0].seconds == found.runs[0].silent_s == 0
    assert found.running[0].seconds == 0
    assert found.steps[0].seconds == 0


def test_a_run_elsewhere_that_has_long_been_silent_counts_as_killed(study):
    study.run("a", begin("prepare", 3, ago=4000), host="node1", process=1, ago=4001)
    assert study.now().state == "killed"


def test_a_task_of_the_leading_process_is_at_work_until_it_is_done(study):
    file = study.run(
        "a",
        (50, "step", {"step": "evaluate", "name": "vgg16_seed-0"}),
        ended("evaluate", "vgg16_seed-0", 3, ago=40),
        (40, "step done", {"step": "evaluate", "seconds": 10.0}),
        (39, "step", {"step": "evaluate", "name": "vgg16_seed-1"}),
    )
    look = Look(study.folders)
    (step,) = look.now().steps
    assert (step.total, step.done, step.running) == (2, 1, 1)
    with file.open("a") as log:
        log.write(line(*ended("evaluate", "vgg16_seed-1")))
        log.write(line(0, "step done", {"step": "evaluate", "seconds": 5.0}))
    (step,) = look.now().steps
    assert (step.total, step.done, step.running, step.at_work) == (2, 2, 0, False)
    assert step.seconds == 15


def test_what_was_left_out_is_of_the_last_run(study):
    study.run("a", (200, "left out", {"step": "check", "name": "sub-01", "reason": "no group"}), ago=300)
    assert [(one.name, one.reason) for one in study.now().left_out] == [("sub-01", "no group")]
    study.run("b", begin("check", 1), ago=100)
    assert not study.now().left_out


def test_a_line_that_is_being_written_is_read_when_it_is_whole(study):
    file = study.run("a", begin("prepare", 2))
    look = Look(study.folders)
    new = line(*ended("prepare", "sub-01"))
    with file.open("a") as log:
        log.write('not json\n{"event": "of a later version"}\n' + new[:30])
        log.flush()
        assert look.now().steps[0].done == 0
        log.write(new[30:])
    assert look.now().steps[0].done == 1


def test_logs_of_ten_thousand_subjects_in_eight_steps_are_read_in_two_seconds(study):
    steps = (
        "prepare",
        "pictures",
        "measures",
        "activations",
        "explain",
        "truth",
        "evidence a",
        "surroundings",
    )
    for step in steps:
        study.run(
            step,
            begin(step, 10_000),
            *(ended(step, f"sub-{number:05}") for number in range(10_000)),
            (1, "step done", {"step": step, "seconds": 5.0}),
        )
    look, before = Look(study.folders), time.process_time()
    found = look.now()
    seconds = time.process_time() - before
    assert sum(step.done for step in found.steps) == 80_000
    assert seconds < 2
    before = time.process_time()
    look.now()
    assert time.process_time() - before < 0.2, "only what is new is read"


def test_a_run_is_not_refused_while_somebody_looks(tmp_path):
    with at_work(tmp_path):
        pass
    script = f"""
import time
from pathlib import Path
from stratacam.study.lock import owner_of
print("looking", flush=True)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    assert owner_of(Path({str(tmp_path)!r})) is None or True
    time.sleep(0.002)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as looking:  # noqa: S603
        looking.stdout.readline()
        for _ in range(50):
            with at_work(tmp_path):
                assert owner_of(tmp_path)["process"] == os.getpid()
    assert looking.returncode == 0


def test_a_run_that_has_found_nothing_to_do_so_far_is_at_work(study):
    study.run("a", begin("prepare", 1), (100, "end", {"outcome": "done"}))
    with at_work(study.records):
        found = study.now()
    assert (found.state, found.runs[0].process) == ("at work", os.getpid())


def test_a_log_tells_what_was_unchanged_once_there_is_something_to_tell(tmp_path):
    log = RunLog(tmp_path)
    log.unchanged(step="prepare", done=8, total=8)
    log.write("end", outcome="done")
    log.touch()
    assert not (tmp_path / "log").exists()
    log.write("step", step="pictures", pending=8, done=0, total=8)
    events = [event for _, event in LogReader(tmp_path).read()]
    assert [event["event"] for event in events] == ["run", "unchanged", "step"]
    assert events[1]["step"] == "prepare"
    assert events == sorted(events, key=lambda event: event["time"])


def test_the_steps_of_a_command_come_in_the_order_of_the_study():
    assert after("run study.toml", ["check", "prepare"])[:2] == ("pictures", "activations")
    assert after("evidence study.toml", ["evidence vgg16_seed-0"]) == ("recommend", "report")
    assert after("run study.toml --step prepare", ["prepare"]) == ()
    assert after("leakage study.toml", []) == ()
    assert RUN[:5] == EVIDENCE[:5]


def test_the_command_says_it_in_80_columns_and_by_its_exit_code(run, study, dead, tmp_path):
    (tmp_path / "study.toml").write_text('out = "study"\n')
    file = study.run(
        "a",
        begin("prepare", 9),
        ended("prepare", "sub-01"),
        begin("evidence vgg16_seed-0", 9),
        ended("evidence vgg16_seed-0", "sub-01"),
        (9, "cluster", {"scheduler": "tcp://n:1", "dashboard": "http://n:8787/status"}),
    )
    study.mark("evidence vgg16_seed-0", "sub-02", ago=100)
    code, said = run("status", tmp_path / "study.toml")
    assert code == 0
    for words in (
        "run study.toml (process",
        "at work for 10 min",
        "1 of 9",
        "sub-02 for 2 min",
        "http://n:8787",
    ):
        assert words in said
    assert "recommend" not in said, "which `run` does not come to"
    table = said.partition("step ")[2].partition("At work:")[0]
    assert max(map(len, table.splitlines())) <= 80
    code, said = run("status", study.folders.root, "--json")
    assert json.loads(said)["steps"][0]["median_s"] == 30
    with file.open("a") as log:
        log.write(line(1, "left out", {"step": "prepare", "name": "sub-05", "reason": "no T1w"}))
        log.write(line(0, "end", {"outcome": "done"}))
    (study.records / "running/evidence vgg16_seed-0/sub-02.json").unlink()
    code, said = run("status", study.folders.root, "--follow")
    assert code == cli.LEFT_OUT
    assert "sub-05, at prepare: no T1w" in said
    study.run("b", begin("prepare", 9), process=dead, ago=5)
    code, said = run("status", study.folders.root)
    assert code == cli.UNFINISHED
    assert "run the same command again" in " ".join(said.split())


def test_a_folder_that_is_no_study_is_refused_and_one_that_was_never_run_is_said_so(run, tmp_path):
    code, said = run("status", tmp_path)
    assert code == cli.UNUSABLE
    assert "holds no study" in said
    (tmp_path / "study.toml").write_text('out = "study"\n')
    code, said = run("status", tmp_path / "study.toml")
    assert (code, "never run" in said) == (cli.UNFINISHED, True)
    code, said = run("status", tmp_path / "study")
    assert (code, "Not begun yet" in said) == (cli.UNFINISHED, True)
    code, said = run("status", tmp_path / "missing.toml")
    assert (code, "no such folder or file" in said) == (cli.UNUSABLE, True)
    (tmp_path / "other.toml").write_text("")
    code, said = run("status", tmp_path / "other.toml")
    assert code == cli.UNUSABLE


@pytest.mark.parametrize(("command", "words"), [("status", ""), ("run", "Stopped at run.")])
def test_only_a_command_that_can_go_on_says_so_when_it_is_stopped(run, monkeypatch, command, words):
    def stopped(**_given):
        raise Interrupted(2)

    monkeypatch.setattr(cli, "app", stopped)
    code, said = run(command)
    assert (code, said.startswith(words), bool(said)) == (130, True, bool(words))


def test_the_report_says_when_it_is_made_and_is_not_made_again_for_a_copy(tmp_path, monkeypatch):
    def copy(name):
        folders = StudyFolders(tmp_path / name / "study")
        cohort = tmp_path / name / "scans"
        configuration = {
            "out": str(folders.root),
            "run": {},
            "cohort": {"input": str(cohort), "groups": ["a"]},
        }
        folders.configuration.write_text(json.dumps(configuration))
        return folders

    def write(folders, _console):
        for file in (folders.report, folders.model_card, folders.references):
            file.write_text("made")

    monkeypatch.setattr("stratacam.report.refresh.write_report", write)
    console = Console(file=io.StringIO(), width=80)
    (tmp_path / "z/study").mkdir(parents=True)
    (tmp_path / "z/scans").mkdir()
    (tmp_path / "z/scans/participants.tsv").write_text("participant_id\n")
    (tmp_path / "z/study/left_out.tsv").write_text("name\n")
    refresh_report(copy("z"), console)
    shutil.copytree(tmp_path / "z", tmp_path / "a")  # with other times, and other places
    refresh_report(copy("a"), console)
    said = [line.partition("  ")[2] for line in console.file.getvalue().splitlines()]
    assert said[0] == "report: making it"
    assert said[1].startswith("report: 0.")
    assert said[2:] == ["report: unchanged"]


def test_status_loads_no_library_of_networks_or_images(study):
    study.run("a", begin("prepare", 1), (1, "end", {"outcome": "done"}))
    script = f"""
import sys
sys.argv = ["stratacam", "status", {str(study.folders.root)!r}]
from stratacam import cli
try:
    cli.main()
except SystemExit as end:
    assert not end.code
print(sorted({{"torch", "numpy", "scipy", "SimpleITK", "nibabel", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.splitlines()[-1] == "[]"
