"""Work under fire: processes are killed at random moments, and it ends as work that was left in peace."""

import random
import subprocess
import sys
import time

import pytest

psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

WORK = '''\
"""Two steps of small files for every subject; one subject kills whoever touches it."""
import hashlib, os, signal, sys, time
from dataclasses import dataclass
from pathlib import Path
from rich.console import Console
from stratacam.files import whole_file, whole_folder
from stratacam.study.execution import RunSettings, Workers, each, pool
from stratacam.study.lock import at_work
from stratacam.study.work import Work

pool.use_threads = lambda count: None  # which would load libraries that nothing here uses
each.WAITS_S = (0.05, 0.1)

def write(file, words):
    for word in words:
        file.write(word)
        file.flush()
        time.sleep(0.001)

@dataclass(frozen=True)
class Make:
    name: str
    before: Path | None
    out: Path

    @property
    def outputs(self):
        return [self.out / "lines.txt", self.out / "folder", self.out / "digest.txt"]

    def do(self):
        if self.name == "sub-07":
            os.kill(os.getpid(), signal.SIGKILL)
        words = [hashlib.sha256(f"{self.name}{number}".encode()).hexdigest() for number in range(15)]
        words += [self.before.read_text()] if self.before else []
        with whole_file(self.outputs[0]) as temporary, temporary.open("w") as file:
            write(file, words)
        with whole_folder(self.outputs[1]) as temporary:
            for number in range(3):
                with (temporary / f"{number}.txt").open("w") as file:
                    write(file, words[number::3])
        with whole_file(self.outputs[2]) as temporary:
            temporary.write_text(hashlib.sha256(self.outputs[0].read_bytes()).hexdigest())

def main():
    root = Path(sys.argv[1])
    records = root / ".stratacam"
    with at_work(records) as left, Workers(RunSettings(workers=2, retries=3)) as here:
        work = Work(records, Console(), here)
        work.lost = left
        work.clear(root)
        names = [f"sub-{number:02}" for number in range(16)]
        first = {name: Make(name, None, root / "first" / name) for name in names}
        done = work.each("prepare", first)
        work.each("explain", {
            name: Make(name, first[name].outputs[2], root / "second" / name) for name in sorted(done)
        })
        work.write_left_out(root / "left_out.tsv")
        if work.lost:
            work.clear(root)
'''
LEAD = "import work_under_fire\nif __name__ == '__main__':\n    work_under_fire.main()\n"


def contents(root):
    files = (path for path in root.rglob("*") if path.is_file() and ".stratacam" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def times(root):
    return {path: path.stat().st_mtime_ns for path in root.glob("*/sub-*/**/*")}


def start(lead, root):
    return subprocess.Popen([sys.executable, lead, root], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603


def fire(process, chance, *, leader):
    """Kill a worker, or the leader; whether anybody was hit."""
    time.sleep(chance.uniform(0.05, 0.25))
    if process.poll() is not None:
        return False
    whole = psutil.Process(process.pid)
    workers = [one for one in whole.children() if one.status() != psutil.STATUS_ZOMBIE]
    if leader and workers:
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive, "workers end with their leader"
        return True
    for one in workers[:1]:
        one.kill()
    return bool(workers)


def test_work_under_fire_ends_as_in_peace(tmp_path):
    lead, peace, root = tmp_path / "lead.py", tmp_path / "peace", tmp_path / "fire"
    lead.write_text(LEAD)
    (tmp_path / "work_under_fire.py").write_text(WORK)
    assert start(lead, peace).wait() == 0
    chance, hits, starts = random.Random(0), 0, 0  # noqa: S311 - no secret
    while True:
        process = start(lead, root)
        starts += 1
        while process.poll() is None and hits < 7:
            hits += fire(process, chance, leader=hits in {2, 5})
        complained = process.communicate()[1]
        if process.returncode == 0:
            break
        assert process.returncode == -9, complained.decode()
        assert starts < 9
    assert hits >= 5
    assert contents(root) == contents(peace)
    (listed,) = (root / "left_out.tsv").read_text().splitlines()[1:]
    assert listed.startswith("sub-07\tprepare\tits worker process was ended by SIGKILL")
    assert not list(root.rglob("*-unfinished-*"))
    assert not [path for path in (root / ".stratacam/running").rglob("*") if path.is_file()]
    before = times(root)
    assert start(lead, root).wait() == 0
    assert times(root) == before
