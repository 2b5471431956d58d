"""Job scripts with which SLURM does a study: an array for every step with a task for every scan or training."""

import math
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import check_apart, write_text
from stratacam.learning import make_splits
from stratacam.scans.cohort.sources import find_cohort_scans, group_fault, read_cohort_groups
from stratacam.study.cohort import Member, check_study, first_groups, read_clusters
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.runs import models_of

MAXIMUM_ARRAY = 1000
"""Jobs of one array: SLURM's own limit, MaxArraySize, is 1001 unless it was raised."""

PEOPLE, TRAININGS = "people.txt", "trainings.txt"

STAGES = (
    ("prepare", PEOPLE),
    ("pictures", PEOPLE),
    ("activations", PEOPLE),
    ("train", TRAININGS),
    ("explain", PEOPLE),
    ("run", ""),
    ("truth", PEOPLE),
    ("evidence", PEOPLE),
    ("join", ""),
)
"""Jobs in order, each with the list that its array goes through; the others are one job that does what is left."""


@dataclass(frozen=True)
class SlurmScripts:
    """Scripts in a folder.

    Attributes:
        study: the study's TOML file.
        configuration: what is in it.
        folder: of the scripts.
        people: labels, by job of an array.
        trainings: names, likewise.
    """

    study: Path
    configuration: StudyConfiguration
    folder: Path
    people: Sequence[Sequence[str]]
    trainings: Sequence[Sequence[str]]

    def write(self) -> Path:
        """Write the scripts and lists; return the script that submits them all."""
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        write_text(self.folder / PEOPLE, "".join(" ".join(labels) + "\n" for labels in self.people))
        write_text(self.folder / TRAININGS, "".join(" ".join(names) + "\n" for names in self.trainings))
        counts = {PEOPLE: len(self.people), TRAININGS: len(self.trainings), "": 0}
        lines = ["#!/bin/bash", "# Submits the whole study; each job waits for those before it.", "set -eu"]
        wait = ""
        for number, (stage, through) in enumerate(STAGES, start=1):
            script = self.folder / f"{number}-{stage}.sh"
            write_text(script, self._script(stage, through, counts[through]))
            lines.append(f"{stage}=$(sbatch --parsable {wait}{shlex.quote(str(script))})")
            wait = f'--dependency="afterany:${{{stage}%%;*}}" '
        lines.append(
            f'echo "Submitted; the last job is ${{{STAGES[-1][0]}%%;*}}. See squeue, and stratacam status."'
        )
        submit = self.folder / "submit.sh"
        write_text(submit, "\n".join(lines) + "\n")
        submit.chmod(0o755)
        return submit

    def _script(self, stage: str, through: str, count: int) -> str:
        array = [f"--array=1-{count}"] if through else []
        place = str(self.folder / "log").replace("%", "%%")
        output = shlex.quote(f"{place}/{'%x-%A_%a.out' if through else '%x-%j.out'}")
        asked = [
            f"--job-name=stratacam-{stage}",
            f"--output={output}",
            *array,
            *_asked(self.configuration),
        ]
        called = f"{shlex.quote(sys.executable)} -m stratacam"
        study = shlex.quote(str(self.study))
        if not through:
            command = "evidence" if stage == "join" else "run"
            body = [f"exec {called} {command} {study} --here"]
        else:
            option = "--training" if through == TRAININGS else "--participant-label"
            these = shlex.quote(str(self.folder / through))
            body = [
                f'these=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {these})',
                f"exec {called} run {study} --here --step {stage} {option} $these",
            ]
        prologue = _lines(self.configuration.run.cluster.get("job_script_prologue", ()))
        return "\n".join(["#!/bin/bash", *(f"#SBATCH {one}" for one in asked), *prologue, *body]) + "\n"


def write_slurm(study: Path, configuration: StudyConfiguration, folder: Path, *, per_job: int = 1) -> Path:
    """Write the scripts of a study into a folder; return the one that submits them.

    What a job asks for is in `run.cluster` and `run.threads`, as for `run.on = "slurm"`.

    Args:
        study: the study's TOML file.
        configuration: what is in it.
        folder: of the scripts, which every node must see.
        per_job: people in each job of an array; more where the array would be too large.

    Raises:
        InputError: no study can be run on what is there, or the folder lies in an input.
    """
    cohort = configuration.cohort
    check_apart([cohort.input], folder)
    scans, _ = find_cohort_scans(cohort.input, cohort.sequences, cohort.choose)
    groups = read_cohort_groups(cohort.input, scans, cohort.group_column)
    usable = [
        scan
        for scan in scans
        if not group_fault(cohort.input, scan, groups, cohort.group_column, cohort.groups)
    ]
    labels = sorted({scan.subject for scan in usable})
    members = [Member(one.name, f"sub-{one.subject}", groups[one.name]) for one in usable]
    trainings = _trainings(configuration, members, read_clusters(configuration, usable))
    scripts = SlurmScripts(
        study.resolve(),
        configuration,
        folder.resolve(),
        _shared_out(labels, per_job),
        _shared_out(trainings, 1),
    )
    return scripts.write()


def _shared_out(names: Sequence[str], per_job: int) -> list[Sequence[str]]:
    """So many names for each job, or more where the array would be too large."""
    count = max(per_job, -(-len(names) // MAXIMUM_ARRAY))
    return [names[start : start + count] for start in range(0, len(names), count)]


def _trainings(
    configuration: StudyConfiguration, members: Sequence[Member], clusters: dict[str, str]
) -> list[str]:
    """The names of all trainings, if nobody has to be left out."""
    found = []
    split, seeds = configuration.split, configuration.seeds
    small = check_study(configuration.cohort.input, members, split, seeds, clusters)
    labels = first_groups([member for member in members if member.scan not in small])
    for model in models_of(configuration):
        folds = len(make_splits(labels, split, seed=split.seed_for(model.seed, seeds[0]), clusters=clusters))
        numbers = range(1, folds + 1) if folds > 1 else [0]
        found += [replace(model, fold=number).name for number in numbers]
    return found


def _lines(value: str | Sequence[str]) -> list[str]:
    """Lines, of which there may be one."""
    return [value] if isinstance(value, str) else list(value)


def _megabytes(value: object) -> int:
    """Megabytes (2^20 bytes) of what Dask takes as memory: "16GB", "16 GiB", or bytes.

    Raises:
        InputError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([kmgt]?)(i?)b?", str(value).strip(), re.IGNORECASE)
    if not found:
        raise InputError(f'run.cluster: found memory = "{value}"; expected such as "16GB": correct it.')
    number, letter, binary = found.groups()
    power = " kmgt".index(letter.lower() or " ")
    return max(1, math.ceil(float(number) * float(1024 if binary else 1000) ** power / 2**20))


def _time(value: object) -> str:
    """A time that Dask and SLURM read alike.

    Raises:
        InputError: it is none.
    """
    if not re.fullmatch(r"(\d+-)?\d+:\d{2}:\d{2}", str(value)):
        raise InputError(f'run.cluster: found walltime = "{value}"; expected such as "04:00:00": correct it.')
    return str(value)


def _asked(configuration: StudyConfiguration) -> list[str]:
    """What a job asks for, as options of sbatch.

    Raises:
        InputError: a setting that only workers of Dask have.
    """
    run = configuration.run
    options: dict[str, Callable[[Any], list[str]]] = {
        "memory": lambda value: [f"--mem={_megabytes(value)}M"],
        "walltime": lambda value: [f"--time={_time(value)}"],
        "queue": lambda value: [f"--partition={value}"],
        "account": lambda value: [f"--account={value}"],
        "job_extra_directives": _lines,
        "job_script_prologue": lambda _: [],
    }
    unknown = sorted(set(run.cluster) - set(options))
    if unknown:
        raise InputError(
            f"run.cluster: found {', '.join(unknown)}, which an array script has no place for; expected of "
            f"{', '.join(options)}: put it into job_extra_directives, as sbatch has it."
        )
    found = [f"--cpus-per-task={run.threads}"]
    for name, value in run.cluster.items():
        found += options[name](value)
    return found
