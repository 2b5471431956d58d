"""A study while it runs: what is to be done, where it goes, and the work on it."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import RECORDS
from stratacam.scans.cohort.sources import check_out
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.devices import resolve_device
from stratacam.study.execution import Workers, tidied
from stratacam.study.folders import StudyFolders
from stratacam.study.lock import at_work
from stratacam.study.part import Part
from stratacam.study.progress import say_what_is_unchanged
from stratacam.study.resources import write_resources
from stratacam.study.work import Absence, Work

STEPS: Mapping[str, tuple[str, ...]] = {
    "check": (),
    "prepare": ("pictures", "measures", "surroundings", "explain", "truth", "evidence"),
    "pictures": ("activations", "train", "evaluate", "baselines", "leakage", "permutations"),
    "activations": ("train", "baselines", "leakage", "permutations"),
    "train": ("evaluate", "explain", "evidence"),
    "evaluate": ("comparison", "confounds"),
    "surroundings": ("confounds",),
    "confounds": ("report",),
    "sample_size": ("report",),
    "measures": ("baselines",),
    "baselines": ("comparison",),
    "comparison": ("report",),
    "explain": ("report",),
    "truth": ("evidence",),
    "evidence": ("recommend", "report"),
    "recommend": ("report",),
    "leakage": ("report",),
    "permutations": ("report",),
    "report": (),
}
"""Steps that can be asked for again, each with those that read what it makes."""


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        configuration: what is to be done.
        folders: where it goes.
        work: does tasks, with the cache, the workers and the console.
    """

    configuration: StudyConfiguration
    folders: StudyFolders
    work: Work

    @property
    def outcome(self) -> "Outcome":
        """What came of it."""
        return Outcome(self.folders, tuple(self.work.absences))

    @cached_property
    def device(self) -> str:
        """The device on which networks run, as torch names it."""
        return resolve_device(self.configuration.run.device)

    def failed(self, what: str, names: set[str]) -> InputError:
        """The error of a step that could not be done for some items."""
        reasons = "; ".join(
            absence.reason.rstrip(".") for absence in self.work.absences if absence.name in names
        )
        return InputError(f"{what} failed for {', '.join(sorted(names))}: {reasons}.")


@dataclass(frozen=True)
class Outcome:
    """A study that was worked on: its folders, and what was left out."""

    folders: StudyFolders
    left_out: tuple[Absence, ...]


@contextmanager
def open_study(
    configuration: StudyConfiguration,
    console: Console,
    *,
    workers: Workers | None = None,
    force: Sequence[str] = (),
    only: Part | None = None,
) -> Iterator[Study]:
    """The study of `configuration`, at which no other run may be at work; what was left out is written in the end.

    Runs that each do a part of a step may be at work together.

    Args:
        configuration: of the study.
        console: where progress is shown.
        workers: where its tasks run; processes of this machine if absent. A cluster goes in here.
        force: steps that are done again, with those that read what they make, though nothing has changed.
        only: the part of one step that is to be done; None: all of every step.

    Raises:
        InputError: its folder touches the cohort's or cannot be written, a step is unknown, or another run is at work
            in it.
    """
    unknown = [step for step in force if step not in STEPS]
    if unknown:
        raise InputError(f"--force: {', '.join(unknown)} is no step; choose of {', '.join(STEPS)}.")
    folders = StudyFolders(configuration.out, configuration.cohort.prepared)
    check_out(folders.root, configuration.cohort.input)
    if configuration.cohort.prepared:
        check_out(configuration.cohort.prepared, configuration.cohort.input)
    new = not folders.root.exists()
    with (
        at_work(folders.records, shared=only is not None) as left,
        tidied(folders.root),
        nullcontext(workers) if workers else Workers(configuration.run) as here,
    ):
        study = Study(configuration, folders, Work(folders.records, console, here, only))
        study.work.lost = left
        if only is None:
            study.work.clear(folders.root)
        for step in _with_readers(force):
            cache = study.work.cache
            (cache.at(folders.prepared / RECORDS) if step == "prepare" else cache).forget(step)
        try:
            with study.work.log.of_run():
                yield study
        except InputError:
            if new and only is None and study.work.is_untouched:
                shutil.rmtree(folders.root)
            raise
        finally:
            _close(study)


def _close(study: Study) -> None:
    """Write what was left out and what tasks took, and remove what lost workers left, unless others are at work."""
    say_what_is_unchanged(study.work.console)
    with suppress(OSError):
        study.work.fence.unlink()
    if study.work.only is None and study.folders.root.is_dir():
        study.work.write_left_out(study.folders.left_out)
        with suppress(OSError, InputError):  # a full disk has been said
            write_resources(study.folders.records, study.folders.resources)
        if study.work.lost:
            study.work.clear(study.folders.root)


def _with_readers(steps: Sequence[str]) -> set[str]:
    """Steps, and all that read what they make, directly or through others."""
    found = set(steps)
    while more := {reader for step in found for reader in STEPS[step]} - found:
        found |= more
    return found
