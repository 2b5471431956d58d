"""Disturbances of a command and its processes."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MOUNT, UMOUNT = "/bin/mount", "/bin/umount"

MINUTES = 30
"""After which a study under fire is given up."""


@dataclass
class Fire:
    """Disturbs commands at random moments until what it may do is used up.

    Attributes:
        left: how often each disturbance is still to come.
        pause_s: mean seconds between two.
    """

    left: Counter[str]
    pause_s: float
    actions: Mapping[str, Callable[["Fire", psutil.Process], bool]]
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def disturb(self, leader: psutil.Process) -> None:
        """Do one of what is left."""
        kinds = sorted(self.left.elements())
        if kinds:
            kind = self.random.choice(kinds)
            with suppress(psutil.Error):
                if self.actions[kind](self, leader):
                    self.left[kind] -= 1
                    self.done[kind] += 1


def kill_worker(fire: Fire, leader: psutil.Process) -> bool:
    """SIGKILL to a process below the leading one."""
    workers = [one for one in leader.children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    if workers:
        fire.random.choice(workers).kill()
    return bool(workers)


def kill_leader(_: Fire, leader: psutil.Process) -> bool:
    """SIGKILL to the process that leads; its workers must end by themselves.

    Raises:
        SystemExit: they do not.
    """
    workers = leader.children(recursive=True)
    leader.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    if alive:
        raise SystemExit(f"workers outlive the process that led them: {alive}")
    return True


def freeze(fire: Fire, leader: psutil.Process) -> bool:
    """SIGSTOP to a worker, and SIGCONT after seconds."""
    workers = leader.children(recursive=True)
    if workers:
        one = fire.random.choice(workers)
        one.suspend()
        time.sleep(fire.random.uniform(0.5, 4))
        one.resume()
    return bool(workers)


def second_run(
    arguments: list[str], environment: Mapping[str, str]
) -> Callable[[Fire, psutil.Process], bool]:
    """Start the same command beside; it must be refused while the first is at work."""

    def start(_: Fire, leader: psutil.Process) -> bool:
        other = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        refused = "another run is at work" in other.stderr
        if not refused and leader.is_running() and leader.status() != psutil.STATUS_ZOMBIE:
            raise SystemExit(f"a second run was not refused: {other.stdout}{other.stderr}")
        return refused

    return start


def away(folder: Path) -> Callable[[Fire, psutil.Process], bool]:
    """Lay an empty file system over a folder for seconds, as where one of the network is not mounted."""

    def lay(fire: Fire, _: psutil.Process) -> bool:
        if not folder.is_dir():
            return False
        subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(folder)], check=True)
        time.sleep(fire.random.uniform(1, 8))
        subprocess.run([UMOUNT, "-l", str(folder)], check=True)
        return True

    return lay


def fill(disk: Path) -> Callable[[Fire, psutil.Process], bool]:
    """Fill a file system to its last block for seconds."""

    def full(fire: Fire, _: psutil.Process) -> bool:
        ballast = disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        time.sleep(fire.random.uniform(1, 6))
        ballast.unlink()
        return True

    return full


def shift_times(study: Path) -> Callable[[Fire, psutil.Process], bool]:
    """Give files of the study, and of its records, times of tomorrow and of last year."""

    def shift(fire: Fire, _: psutil.Process) -> bool:
        files = [path for path in study.rglob("*") if path.is_file()]
        for path in fire.random.sample(files, min(20, len(files))):
            with suppress(OSError):
                now = time.time() + fire.random.choice((86_400, -31_536_000))
                os.utime(path, (now, now))
        return bool(files)

    return shift


def run_under(
    fire: Fire, arguments: list[str], environment: Mapping[str, str], log: Path, *, clocks: bool
) -> int:
    """Start a command again and again until it says that all is done; return how often.

    Raises:
        SystemExit: it does not come to an end.
    """
    end = time.monotonic() + 60 * MINUTES
    starts, faketime = 0, shutil.which("faketime") if clocks else None
    while time.monotonic() < end:
        starts += 1
        jumped = (
            [faketime, "-f", fire.random.choice(("+2d", "-400d"))] if faketime and starts % 2 == 0 else []
        )
        with log.open("a", encoding="utf-8") as file:
            process = subprocess.Popen(
                [*jumped, *arguments],
                env={**environment, "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
                stdout=file,
                stderr=file,
            )
            leader = psutil.Process(process.pid)
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(fire.random.expovariate(1 / fire.pause_s))
                if process.poll() is None:
                    fire.disturb(leader)
            file.write(f"--- ended with {process.returncode}\n")
        if process.returncode == 0:
            return starts
        if (
            process.returncode > 0
            and "Traceback" in log.read_text(encoding="utf-8").rpartition("--- ended")[0][-4000:]
        ):
            print(f"  a traceback, see {log}")
    raise SystemExit(f"not done after {MINUTES} minutes and {starts} starts, see {log}")


def command(*arguments: str) -> list[str]:
    """The command line of stratacam."""
    return [sys.executable, "-m", "stratacam", *arguments]
