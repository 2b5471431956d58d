"""Where the tasks of a study run, how each is tried, and what it takes."""

from stratacam.study.execution.attempt import Conduct, Failure, Usage, metered
from stratacam.study.execution.each import Ended, Place, run_each
from stratacam.study.execution.pool import WorkerPool
from stratacam.study.execution.serial import SerialExecutor
from stratacam.study.execution.settings import RunSettings
from stratacam.study.execution.workers import Workers, tidied

__all__ = [
    "Conduct",
    "Ended",
    "Failure",
    "Place",
    "RunSettings",
    "SerialExecutor",
    "Usage",
    "WorkerPool",
    "Workers",
    "metered",
    "run_each",
    "tidied",
]
