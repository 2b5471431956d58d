"""A study while it runs."""

from dataclasses import dataclass

from rich.console import Console

from stratacam.study.configuration import StudyConfiguration
from stratacam.study.folders import StudyFolders
from stratacam.study.work import Work


@dataclass(frozen=True)
class Study:
    """What is to be done, where it goes, and the work on it."""

    configuration: StudyConfiguration
    folders: StudyFolders
    work: Work


def open_study(configuration: StudyConfiguration, console: Console) -> Study:
    """The study of `configuration`, with its work in the folder it names."""
    folders = StudyFolders(configuration.out)
    return Study(configuration, folders, Work(folders.records, console))
