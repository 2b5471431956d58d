"""The registry of trackers. A new one is a module with a function, an entry here, and an extra."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError, did_you_mean
from stratacam.export.trackers.logged import Logged, read_logged
from stratacam.export.trackers.to_mlflow import log_mlflow
from stratacam.export.trackers.to_tensorboard import log_tensorboard
from stratacam.files import check_apart
from stratacam.study.folders import StudyFolders


@dataclass(frozen=True)
class Tracker:
    """One tracker.

    Attributes:
        package: that is imported; the extra of this package that installs it has the tracker's name.
        log: writes a study to a place, and returns how to look at it.
    """

    package: str
    log: Callable[[Logged, str], str]


TRACKERS = {
    "tensorboard": Tracker("tensorboard", log_tensorboard),
    "mlflow": Tracker("mlflow", log_mlflow),
}
"""By name."""


def log_to(name: str, folders: StudyFolders, to: str) -> str:
    """Write a finished study to a tracker. Nothing of the study changes, and nothing is done while it trains.

    Args:
        name: of the tracker, one of `TRACKERS`.
        folders: of the study.
        to: folder, or for MLflow also the address of a server.

    Returns:
        How to look at it.

    Raises:
        InputError: there is no such tracker, its package is not installed, the study is unfinished, or `to` cannot be
            used.
    """
    if name not in TRACKERS:
        raise InputError(
            f"TRACKER: found {name!r}; {did_you_mean(name, TRACKERS)}expected one of {', '.join(TRACKERS)}: choose one."
        )
    tracker = TRACKERS[name]
    try:
        importlib.import_module(tracker.package)
    except ModuleNotFoundError as fault:
        raise InputError(
            f"TRACKER: {name} needs the package {fault.name}, which is not installed; expected it: pip install "
            f"'stratacam[{name}]'."
        ) from fault
    if "://" not in to:
        check_apart([folders.root], Path(to))
    return tracker.log(read_logged(folders), to)
