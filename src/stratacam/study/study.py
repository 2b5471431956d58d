"""A study while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filelock import FileLock, Timeout
from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import remove_leftovers
from stratacam.scans.cohort.sources import check_out
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import kept_workers, tidied
from stratacam.study.folders import StudyFolders
from stratacam.study.work import Work

WriteReport = Callable[[StudyFolders], object]
"""Writes the report of a finished study; handed in, as the report stands below the study."""


@dataclass(frozen=True)
class Study:
    """What is to be done, where it goes, and the work on it."""

    configuration: StudyConfiguration
    folders: StudyFolders
    work: Work


@contextmanager
def open_study(configuration: StudyConfiguration, console: Console) -> Iterator[Study]:
    """The study of `configuration`, at which no other run may be at work; what was left out is written in the end.

    Raises:
        InputError: its folder touches the cohort's or cannot be written, or another run is at work in it.
    """
    folders = StudyFolders(configuration.out, configuration.cohort.prepared)
    check_out(folders.root, configuration.cohort.input)
    if configuration.cohort.prepared:
        check_out(configuration.cohort.prepared, configuration.cohort.input)
    study = Study(configuration, folders, Work(folders.records, console))
    folders.records.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folders.records / "lock", timeout=0), tidied(folders.root), kept_workers():
            remove_leftovers(folders.root)
            try:
                yield study
            finally:
                study.work.write_left_out(folders.left_out)
    except Timeout as fault:
        raise InputError(f"{folders.root}: another run is at work here; wait until it ends.") from fault
