"""Two steps of small files for every subject, through the study's own work, cache and places: a study of a second."""

import hashlib
import os
import signal
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import whole_file, whole_folder
from stratacam.study.execution import RunSettings, Workers, attempt, each, pool
from stratacam.study.lock import at_work
from stratacam.study.work import Work

POISONED = "sub-07"

pool.use_threads = attempt.use_threads = lambda _: None  # type: ignore[attr-defined]  # loads what nothing here uses
each.WAITS_S = (0.05, 0.5)


@dataclass(frozen=True)
class Make:
    """A file, a folder and a digest, written line by line; a poisoned task kills its worker."""

    name: str
    scan: Path
    before: Path | None
    out: Path
    poisoned: bool = False

    @property
    def outputs(self) -> list[Path]:
        """A file, a folder, and a file that is made of another."""
        return [self.out / "lines.txt", self.out / "folder", self.out / "digest.txt"]

    def do(self) -> None:
        """Write."""
        if self.poisoned:
            os.kill(os.getpid(), signal.SIGKILL)
        given = self.scan.read_text(encoding="utf-8")
        words = [hashlib.sha256(f"{given}{number}".encode()).hexdigest() for number in range(15)]
        words += [self.before.read_text(encoding="utf-8")] if self.before else []
        with whole_file(self.outputs[0]) as temporary, temporary.open("w", encoding="utf-8") as file:
            _write(file, words)
        with whole_folder(self.outputs[1]) as temporary:
            for number in range(3):
                with (temporary / f"{number}.txt").open("w", encoding="utf-8") as file:
                    _write(file, words[number::3])
        with whole_file(self.outputs[2]) as temporary:
            digest = hashlib.sha256(self.outputs[0].read_bytes()).hexdigest()
            temporary.write_text(digest, encoding="utf-8")


def _write(file: IO[str], words: Sequence[str]) -> None:
    for word in words:
        file.write(word)
        file.flush()
        time.sleep(0.001)


def main() -> None:
    """Do both steps of every subject, and list who was left out."""
    parser = ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--subjects", type=int, default=16)
    parser.add_argument("--scheduler")
    parser.add_argument("--poisoned", action="store_true", help=f"{POISONED} kills whoever touches it")
    chosen = parser.parse_args()
    run = RunSettings(
        on="dask" if chosen.scheduler else "processes", scheduler=chosen.scheduler, workers=2, retries=3
    )
    try:
        _run(chosen.root, chosen.cohort, chosen.subjects, run, poisoned=chosen.poisoned)
    except InputError as fault:
        raise SystemExit(str(fault)) from fault


def _run(root: Path, cohort: Path, subjects: int, run: RunSettings, *, poisoned: bool) -> None:
    records = root / ".stratacam"
    with at_work(records) as left, Workers(run) as here:
        work = Work(records, Console(), here)
        work.lost = left
        work.clear(root)
        first, second = steps(root, cohort, subjects, poisoned=poisoned)
        done = work.each("prepare", first)
        work.each("explain", {name: second[name] for name in sorted(done)})
        work.write_left_out(root / "left_out.tsv")
        if work.lost:
            work.clear(root)
        if work.absences and not poisoned:
            raise SystemExit("left out")


def steps(root: Path, cohort: Path, subjects: int, *, poisoned: bool = False) -> tuple[dict[str, Make], ...]:
    """The tasks of both steps, by subject."""
    names = [f"sub-{number:02}" for number in range(subjects)]
    first = {
        name: Make(name, cohort / name, None, root / "first" / name, poisoned and name == POISONED)
        for name in names
    }
    second = {
        name: Make(name, cohort / name, first[name].outputs[2], root / "second" / name) for name in names
    }
    return first, second


def make_scans(cohort: Path, subjects: int) -> None:
    """What every subject is made from."""
    cohort.mkdir(parents=True, exist_ok=True)
    for number in range(subjects):
        (cohort / f"sub-{number:02}").write_text(f"scan {number}", encoding="utf-8")
