"""A study is run once in peace and then under fire; the results must be the same, byte for byte.

The disturbances, at random moments: SIGKILL to workers and to the process that leads, which is started again; SIGSTOP
to workers; a second run beside the first; a clock that jumps (where `faketime` is installed); an empty file system
that is laid over the cohort or the study for seconds, and a disk that is full for seconds (as root; the study is on a
tmpfs); EIO and ESTALE from files that are opened; and the death of a Dask scheduler, which is started again.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import psutil

from benchmarks.chaos import fire as fires
from benchmarks.chaos.fire import MOUNT, UMOUNT, Fire, command, run_under
from benchmarks.chaos.light import make_scans
from benchmarks.chaos.study import make_study, orphans, results, write_study

DISK = "120m"
"""Size of the file system that the study is on."""

SCHEDULER = "tcp://127.0.0.1:8987"


def main() -> None:
    """Run the phases that are asked for, print a line on each, and fail where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary one")
    parser.add_argument("--subjects", type=int, default=6, help="default %(default)s")
    parser.add_argument(
        "--kills", type=int, default=50, help="SIGKILLs, a fifth to the leader; default %(default)s"
    )
    parser.add_argument(
        "--pause", type=float, default=4.0, help="mean seconds between two; default %(default)s"
    )
    parser.add_argument(
        "--share", type=float, default=0.001, help="of files that fail to open; default %(default)s"
    )
    parser.add_argument("--phases", nargs="+", default=["kills", "errors", "scheduler"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--light", action="store_true", help="made-up tasks of files: a minute")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = folder.resolve()
        stack.enter_context(_disk(folder / "disk"))
        if chosen.light:
            make_scans(folder / "cohort", chosen.subjects)
        else:
            make_study(folder, chosen.subjects)
        peace = _in_peace(folder, chosen)
        ok = [_phase(name, folder, peace, chosen) for name in chosen.phases]
    sys.exit(not all(ok))


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """A small file system of its own, where this process may mount one."""
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid():
        yield
        return
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run([UMOUNT, "-l", str(place)], check=True)


def _commands(folder: Path, chosen: argparse.Namespace, scheduler: str | None = None) -> list[list[str]]:
    """What has to be run one after the other."""
    if chosen.light:
        more = ["--scheduler", scheduler] if scheduler else []
        given = ["--cohort", str(folder / "cohort"), "--subjects", str(chosen.subjects), *more]
        return [
            [sys.executable, str(Path(__file__).with_name("lead.py")), str(folder / "disk/study"), *given]
        ]
    on = f'on = "dask"\nscheduler = "{scheduler}"' if scheduler else ""
    file = write_study(folder, "disk/study", f"workers = 2\n{on}")
    return [command(verb, str(file)) for verb in ("run", "evidence")]


def _in_peace(folder: Path, chosen: argparse.Namespace) -> dict[str, str]:
    """The results of an undisturbed run."""
    study = folder / "disk/study"
    start = time.monotonic()
    for one in _commands(folder, chosen):
        subprocess.run(one, check=True, stdout=subprocess.DEVNULL)
    found = results(study)
    print(f"in peace: {len(found)} files of results, {time.monotonic() - start:.0f} s", flush=True)
    shutil.rmtree(study)
    return found


def _phase(name: str, folder: Path, peace: dict[str, str], chosen: argparse.Namespace) -> bool:
    """One study under one kind of fire; whether it ended as in peace."""
    study, log = folder / "disk/study", folder / f"{name}.log"
    log.unlink(missing_ok=True)
    environment = dict(os.environ)
    left = Counter({"worker": chosen.kills - chosen.kills // 5, "leader": chosen.kills // 5})
    if name == "errors":
        left = Counter({"worker": 3, "leader": 1, "freeze": 3, "second": 2, "times": 3})
        if not os.geteuid():
            left += Counter({"cohort away": 2, "study away": 2, "disk full": 3})
        faults = Path(__file__).parent / "faults"
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(faults), environment.get("PYTHONPATH", "")]),
            "CHAOS_FOLDER": str(folder),
            "CHAOS_SHARE": str(chosen.share),
        }
    if name == "scheduler":
        left = Counter({"scheduler": 1, "worker": 2})
    commands = _commands(folder, chosen, SCHEDULER if name == "scheduler" else None)
    start = time.monotonic()
    with ExitStack() as stack:
        cluster = stack.enter_context(_Cluster(folder)) if name == "scheduler" else None
        actions = {
            "worker": fires.kill_worker if cluster is None else cluster.kill_worker,
            "leader": fires.kill_leader,
            "freeze": fires.freeze,
            "second": fires.second_run(commands[0], os.environ),
            "times": fires.shift_times(study),
            "cohort away": fires.away(folder / "cohort"),
            "study away": fires.away(study),
            "disk full": fires.fill(folder / "disk"),
            "scheduler": cluster.kill_scheduler if cluster else fires.kill_leader,
        }
        fire = Fire(left, chosen.pause, actions, random.Random(chosen.seed))  # noqa: S311 - no secret
        starts = 0
        for _ in range(20):  # again from the beginning, with --force, while there is fire left
            for one in commands:
                starts += run_under(fire, one, environment, log, clocks=name == "errors")
            if not +fire.left:
                break
            shutil.rmtree(study)
        seconds = time.monotonic() - start
        said = [subprocess.run(one, check=True, capture_output=True, text=True).stdout for one in commands]
    found = results(study)
    wrong = sorted(path for path in {*found, *peace} if found.get(path) != peace.get(path))
    left_out = (study / "left_out.tsv").read_text(encoding="utf-8").splitlines()[1:]
    again = [
        line for text in said for line in text.splitlines() if " of " in line and "unchanged" not in line
    ]
    did = ", ".join(f"{count} {kind}" for kind, count in sorted(fire.done.items()))
    print(f"{name}: {did}; {starts} starts, {seconds:.0f} s", flush=True)
    for words, lines in (
        ("differ from peace", wrong), ("orphans", orphans(study)), ("left out", left_out), ("done again after", again)
    ):  # fmt: skip
        print(f"  {words}: {len(lines)}" + "".join(f"\n    {line}" for line in lines[:20]), flush=True)
    ended = not (wrong or orphans(study) or left_out or again)
    if ended:
        shutil.rmtree(study)
    else:
        study.rename(study.with_name(f"{name}-{int(time.time())}"))
    return ended


class _Cluster:
    """A Dask scheduler with two workers, each of which is started again where it is killed."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "cluster.log").open("w", encoding="utf-8")
        self._processes: list[psutil.Popen] = []

    def __enter__(self) -> Self:
        self._start("scheduler", "--port", SCHEDULER.rpartition(":")[2], "--dashboard-address", ":0")
        for _ in range(2):
            self._start_worker()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            for one in [*process.children(recursive=True), process]:
                one.kill()

    def _start(self, kind: str, *arguments: str) -> None:
        whole = [sys.executable, "-m", "distributed.cli.dask_" + kind, *arguments]
        self._processes.append(psutil.Popen(whole, stdout=self._log, stderr=self._log))

    def _start_worker(self) -> None:
        self._start("worker", SCHEDULER, "--nthreads", "1", "--death-timeout", "600")

    def kill_worker(self, fire: Fire, _: psutil.Process) -> bool:
        """SIGKILL to the process that does a worker's tasks; its nanny starts another."""
        workers = [
            one for process in self._processes[1:] if process.is_running() for one in process.children()
        ]
        if workers:
            fire.random.choice(workers).kill()
        return bool(workers)

    def kill_scheduler(self, _: Fire, __: psutil.Process) -> bool:
        """SIGKILL to the scheduler; another is started at its address, with other workers."""
        self._processes[0].kill()
        self.__exit__()
        self._processes = []
        time.sleep(2)
        self.__enter__()
        return True


if __name__ == "__main__":
    main()
