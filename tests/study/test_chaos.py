"""Work under fire: processes are killed at random moments, and it ends as work that was left in peace."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.chaos import light

psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

LEAD = Path(light.__file__).with_name("lead.py")


def contents(root):
    files = (path for path in root.rglob("*") if path.is_file() and ".stratacam" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def times(root):
    return {path: path.stat().st_mtime_ns for path in root.glob("*/sub-*/**/*")}


@pytest.fixture
def start(tmp_path, monkeypatch):
    light.make_scans(tmp_path / "cohort", 12)
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    given = "--cohort", tmp_path / "cohort", "--subjects", "12"

    def started(root, *more):
        return subprocess.Popen(  # noqa: S603
            [sys.executable, LEAD, root, *given, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    return started


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


def test_work_under_fire_ends_as_in_peace(tmp_path, start):
    peace, root = tmp_path / "peace", tmp_path / "fire"
    for tasks in light.steps(peace, tmp_path / "cohort", 12):
        for task in tasks.values():
            task.do()
    chance, hits, starts = random.Random(0), 0, 0  # noqa: S311 - no secret
    while True:
        process = start(root, "--poisoned")
        starts += 1
        while process.poll() is None and hits < 7:
            hits += fire(process, chance, leader=hits in {2, 5})
        complained = process.communicate()[1]
        if process.returncode == 0:
            break
        assert process.returncode == -9, complained.decode()
        assert starts < 6
    assert hits >= 5
    (listed,) = (root / "left_out.tsv").read_text().splitlines()[1:]
    assert listed.startswith(f"{light.POISONED}\tprepare\tits worker process was ended by SIGKILL")
    assert not list(root.rglob("*-unfinished-*"))
    assert not [path for path in (root / ".stratacam/running").rglob("*") if path.is_file()]
    before = times(root)
    assert start(root).wait() == 0
    assert before.items() <= times(root).items(), "what was done is not done again, once the poison is gone"
    (root / "left_out.tsv").unlink()
    assert contents(root) == contents(peace)
