"""Ctrl-C and SIGTERM: everything ends, says where it was, and leaves nothing behind."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

SIGNALS = [
    pytest.param(os.killpg, signal.SIGINT, id="Ctrl-C in a terminal"),
    pytest.param(os.kill, signal.SIGINT, id="SIGINT to the parent"),
    pytest.param(os.killpg, signal.SIGTERM, id="SIGTERM to all"),
    pytest.param(os.kill, signal.SIGTERM, id="SIGTERM to the parent"),
]

ENDLESS = """\
import hashlib, os, sys, time, weakref
from pathlib import Path
from rich.console import Console
from stratacam import cli
from stratacam.study.execution import RunSettings, Workers, run_each
from stratacam.study.log import run_log
from stratacam.study.progress import step_progress

def say(word):
    os.write(1, f"{word}\\n".encode())  # in one piece, beside other processes and unbuffered too

def nap(_):
    say("begun")
    time.sleep(3600)
    say("woke")

def compute(_):
    say("begun")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)  # an hour outside Python

class Finalised:
    def __del__(self):
        nap(None)

def finalise(_):
    Finalised()
    time.sleep(3600)

def call_back(_):
    thing = set()
    reference = weakref.ref(thing, nap)
    del thing
    time.sleep(3600)

KINDS = {"nap": nap, "compute": compute, "finalise": finalise, "call back": call_back}

def work(prog_name):
    kind, workers = sys.argv[1:]
    run_log(Path(sys.argv[0]).parent).write("step", step="nap")
    with Workers(RunSettings(workers=int(workers))) as pool, pool.place() as place:
        with step_progress(Console(stderr=True), "nap") as advance:
            advance(0, 9, "sub-01")
            for _ in run_each(place, KINDS[kind], dict.fromkeys("abcdefghi")):
                pass

if __name__ == "__main__":
    cli.app = work
    cli.main()
"""


def start(tmp_path, kind, workers):
    """An endless command in a group of its own; returns when as many tasks as there are workers have begun."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, tmp_path / "endless.py", kind, str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert [process.stdout.readline() for _ in range(workers)] == ["begun\n"] * workers
    return process


def ended(process):
    """Exit code, and what was said since; the pipes end when the last process that holds them has ended."""
    said, complained = process.communicate()
    return process.returncode, said, complained


@pytest.mark.parametrize(("send", "number"), SIGNALS)
def test_a_step_ends_with_its_workers_and_says_where_it_was(tmp_path, send, number):
    process = start(tmp_path, "nap", 2)
    send(process.pid, number)
    code, said, complained = ended(process)
    assert code == 128 + number
    assert said == ""
    words = complained.splitlines()[-1]
    assert words.startswith("Stopped at nap, 0 of 9 done. What is finished is kept")
    assert words.endswith("run the same command again to go on.")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_computation_that_hears_no_signal_is_ended_too(tmp_path, workers):
    process = start(tmp_path, "compute", workers)
    os.kill(process.pid, signal.SIGINT)
    code, said, complained = ended(process)
    assert (code, said) == (130, "")
    assert complained.splitlines()[-1].endswith("run the same command again to go on.")
    (log,) = (tmp_path / "log").glob("*.jsonl")
    assert '"event": "end", "outcome": "interrupted"' in log.read_text().splitlines()[-1]


@pytest.mark.parametrize("kind", ["finalise", "call back"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_where_python_drops_what_is_raised(tmp_path, kind, workers, number):
    process = start(tmp_path, kind, workers)
    os.kill(process.pid, number)
    code, said, complained = ended(process)
    assert (code, said) == (128 + number, "")
    assert "Traceback" not in complained
    assert "Stopped at nap, 0 of 9 done" in complained.splitlines()[-1]


def test_a_second_signal_ends_everything_at_once(tmp_path):
    process = start(tmp_path, "compute", 2)
    for _ in range(2):
        os.kill(process.pid, signal.SIGINT)
    code, _, complained = ended(process)
    assert code == 130
    assert "run the same command again to go on" in complained
    assert "Exception" not in complained


def test_workers_end_when_the_parent_is_killed(tmp_path):
    process = start(tmp_path, "nap", 2)
    process.kill()
    code, said, _ = ended(process)
    assert (code, said) == (-signal.SIGKILL, "")
