"""`python -m benchmarks.scale`: what a subject costs in studies of 10 to 10,000 subjects, and what the client takes.

Two kinds of study. "study" runs the real steps on phantoms of 5 mm with a small network, from the check of the images
to the maps; only that preparation copies a scan that was prepared once, since its seconds would hide everything else.
"tasks" runs five steps of light tasks of the same shape (files that are read and hashed, files that are written)
through the same work, cache and executor: so 10,000 subjects take minutes. Every size has a process of its own.

Of every step the time runs from the end of its first task to that of its last, so that what starts once is left out.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from rich.console import Console

from stratacam.files import write_json, write_table
from stratacam.study.execution import RunSettings, Workers
from stratacam.study.log import read_logs
from stratacam.study.work import Work

STEPS = ("check", "prepare", "pictures", "explain", "evidence")

STUDY = """\
name = "scale"
out = "study"
[run]
on = "{on}"
workers = 2
[cohort]
input = "cohort"
sequences = ["T1w"]
[prepare]
template = false
[pictures]
size = 32
every = 6
[network]
architecture = "small_cnn"
[split]
folds = 2
[training]
epochs = 1
[explain]
every = 6
subjects = "all"
"""


def main() -> None:
    """Measure every size, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--kind", choices=["study", "tasks"], default="tasks", help="default %(default)s")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], help="default %(default)s")
    parser.add_argument("--on", nargs="+", default=["dask", "processes"], help="default %(default)s")
    parser.add_argument("--folder", type=Path, help="where to work, with room; default: a temporary one")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        _measure(chosen.kind, chosen.sizes[0], chosen.one, chosen.folder)
        return
    print(
        "kind      on         subjects  tasks  ms/subject  CPU ms/subject  overhead ms/task  client CPU ms/task  "
        "client MB  worker MB  files/subject  KB/subject  again s",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        for size in chosen.sizes:
            for on in chosen.on:
                _in_own_process(chosen.kind, size, on, Path(name) / f"{size}-{on}")


def _in_own_process(kind: str, size: int, on: str, folder: Path) -> None:
    folder.mkdir()
    whole = [sys.executable, "-m", "benchmarks.scale", "--kind", kind, "--sizes", str(size), "--one", on]
    subprocess.run([*whole, "--folder", str(folder)], check=True)
    shutil.rmtree(folder)


def _measure(kind: str, size: int, on: str, folder: Path) -> None:
    """Run one size, then again with everything done, and print its line."""
    make = _make_cohort if kind == "study" else _make_files
    make(folder / "cohort", size)
    run = _run_study if kind == "study" else _run_tasks
    run(folder, size, on)
    used = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    run(folder, size, on)
    again = time.perf_counter() - start
    study = folder / "study"
    files = [path.stat().st_size for path in study.rglob("*") if path.is_file()]
    found = _summary(study / ".stratacam", size)
    print(
        f"{kind:8}  {on:9}  {size:8}  {found['tasks']:5}  {found['ms']:10.1f}  {found['cpu_ms']:14.1f}  "
        f"{found['overhead_ms']:16.1f}  {1000 * (used.ru_utime + used.ru_stime) / found['tasks']:18.1f}  "
        f"{used.ru_maxrss / 1024:9.0f}  {found['worker_mb']:9.0f}  {len(files) / size:13.1f}  "
        f"{sum(files) / size / 1024:10.1f}  {again:7.1f}",
        flush=True,
    )


def _summary(records: Path, size: int) -> dict[str, Any]:
    """Of the steps that have a task for every subject, what one takes."""
    by_step: dict[str, list[dict[str, Any]]] = {}
    for line in read_logs(records):
        if line["event"] == "task":
            by_step.setdefault(line["step"], []).append(line)
    whole = {step: lines for step, lines in by_step.items() if len(lines) == size}
    lines = [line for found in whole.values() for line in found]
    spans = [_span(found) for found in whole.values()]
    each = sum(spans) / max(size - 1, 1)
    busy = statistics.fmean(line["seconds"] for line in lines)
    return {
        "tasks": len(lines),
        "ms": 1000 * each,
        "cpu_ms": 1000 * sum(line["cpu_seconds"] for line in lines) / size,
        "overhead_ms": 1000 * (2 * each / len(whole) - busy),
        "worker_mb": max(line["memory_mb"] for line in lines),
    }


def _span(lines: Sequence[dict[str, Any]]) -> float:
    times = sorted(datetime.fromisoformat(line["time"]).timestamp() for line in lines)
    return times[-1] - times[0]


@dataclass(frozen=True)
class Light:
    """A task that reads what came before, computes for a moment, and writes files."""

    name: str
    scans: tuple[Path, ...]
    before: Path | None
    out: Path

    @property
    def outputs(self) -> list[Path]:
        """Twelve files, a half of them small tables."""
        return [self.out / f"{number}.json" for number in range(6)] + [
            self.out / f"{number}.npy" for number in range(6)
        ]

    def do(self) -> None:
        """Read and write."""
        read = [np.load(file) for file in self.scans]
        made = np.sort(np.concatenate(read))
        for number, path in enumerate(self.outputs):
            if path.suffix == ".json":
                write_json(path, {"name": self.name, "number": number, "mean": float(made.mean())})
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, made[number::6])


def _make_files(cohort: Path, size: int) -> None:
    draws = np.random.default_rng(0)
    for number in range(size):
        for scan in ("T1w", "FLAIR"):
            path = cohort / f"sub-{number:05}" / f"{scan}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, draws.normal(size=2000).astype(np.float32))


def _run_tasks(folder: Path, size: int, on: str) -> None:
    """Five steps, each of which reads what the one before has made, and a table in the end."""
    study = folder / "study"
    with Workers(RunSettings(on=on, workers=2)) as workers, Path(os.devnull).open("w") as nowhere:
        work = Work(study / ".stratacam", Console(file=nowhere), workers)
        names = [f"sub-{number:05}" for number in range(size)]
        before: dict[str, Path | None] = dict.fromkeys(names)
        for step in STEPS:
            tasks = {
                name: Light(
                    name,
                    tuple(folder / "cohort" / name / f"{scan}.npy" for scan in ("T1w", "FLAIR")),
                    before[name],
                    study / step / name,
                )
                for name in names
            }
            done = work.each(step, tasks)
            before = {name: tasks[name].outputs[0] for name in sorted(done)}
        write_table(
            study / "table.tsv", ((name, json.loads(before[name].read_text())["mean"]) for name in before)
        )


def _make_cohort(cohort: Path, size: int) -> None:
    """A phantom with noise of their own for everybody, and one prepared scan to copy."""
    from stratacam.scans.cohort.sources import find_cohort_scans  # noqa: PLC0415 - and only here
    from stratacam.scans.phantom import PhantomSettings, make_cohort  # noqa: PLC0415
    from stratacam.scans.prepare import PrepareSettings, prepare  # noqa: PLC0415

    one = cohort.parent / "one"
    make_cohort(one, PhantomSettings(subjects={"control": 1}, voxel_mm=5.0))
    (scan,), _ = find_cohort_scans(one, ["T1w"])
    (mask,) = (one / "derivatives/truth").rglob("*_desc-truebrain_mask.nii.gz")
    given = one / "derivatives/masks" / mask.relative_to(one / "derivatives/truth")
    given = given.with_name(given.name.replace("truebrain", "brain"))
    given.parent.mkdir(parents=True)
    shutil.copy(mask, given)
    (scan,), _ = find_cohort_scans(one, ["T1w"])
    prepare(scan, cohort.parent / "prepared-one", PrepareSettings(template=False).of(["T1w"]))
    for path in (path for path in (cohort.parent / "prepared-one").rglob("*") if path.is_file()):
        place = path.relative_to(cohort.parent / "prepared-one").as_posix().replace(scan.name, "sub-model")
        target = cohort.parent / "model" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for path in (cohort.parent / "model").rglob("*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace(scan.name, "sub-model"), encoding="utf-8")
    image = nibabel.load(scan.images["T1w"])
    voxels, draws = np.asarray(image.dataobj, dtype=np.float32), np.random.default_rng(0)
    rows = [("participant_id", "group", "age", "sex")]
    for number in range(size):
        name = f"sub-{number:05}"
        path = cohort / name / "anat" / f"{name}_T1w.nii"
        path.parent.mkdir(parents=True)
        noisy = voxels + draws.normal(size=voxels.shape).astype(np.float32)
        nibabel.Nifti1Image(noisy, image.affine).to_filename(path)
        rows.append((name, ("control", "RRMS")[number % 2], 30 + number % 40, "FM"[number % 3 == 0]))
    write_table(cohort / "participants.tsv", rows)
    shutil.copy(one / "dataset_description.json", cohort)


def _run_study(folder: Path, _: int, on: str) -> None:
    """The whole of `stratacam run`, but for the copied preparation."""
    from benchmarks.copied import Copied  # noqa: PLC0415
    from stratacam.study.configuration import read_configuration  # noqa: PLC0415
    from stratacam.study.run import run_study  # noqa: PLC0415
    from stratacam.study.steps import prepare as step  # noqa: PLC0415

    file = folder / "study.toml"
    file.write_text(STUDY.format(on=on), encoding="utf-8")
    step.Prepare = Copied  # type: ignore[misc]
    with Path(os.devnull).open("w") as nowhere:
        outcome = run_study(read_configuration(file), Console(file=nowhere))
    if outcome.left_out:
        raise SystemExit(f"left out: {outcome.left_out[:3]}")


if __name__ == "__main__":
    main()
